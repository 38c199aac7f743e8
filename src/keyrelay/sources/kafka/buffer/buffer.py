"""The shelf: what was fetched and not yet lent, and what may be lent now."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiokafka.structs import TopicPartition

from keyrelay.model.trigger import MalformedTrigger
from keyrelay.sources.kafka.buffer.drawn import Drawn, Unreadable
from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.buffer.positions import Mark, Positions
from keyrelay.sources.kafka.buffer.wakes import Wakes
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.records.record import (
    Fetched,
    Record,
    read_parked,
    read_published,
)
from keyrelay.sources.kafka.topics.names import Topics

_SOON = timedelta(milliseconds=50)  # what is due so soon is not put back for it


@dataclass(slots=True, kw_only=True)
class Buffer:
    """`profile` is that of triggers which name none."""

    topics: Topics
    positions: Positions
    wakes: Wakes
    lines: KeyOrder
    profile: str | None
    terms: KafkaOptions
    _fresh: dict[TopicPartition, deque[Fetched]] = field(
        default_factory=dict, init=False
    )
    _later: list[tuple[datetime, int, Record]] = field(default_factory=list, init=False)
    _elsewhere: set[tuple[str, str]] = field(default_factory=set, init=False)
    _in_hand: dict[tuple[str, str], Mark] = field(default_factory=dict, init=False)
    _behind: dict[tuple[str, str], list[Record]] = field(
        default_factory=dict, init=False
    )
    _returned: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _count: Iterator[int] = field(default_factory=itertools.count, init=False)

    @property
    def on_loan(self) -> int:
        """How many are on loan, to our lanes or to somebody else's."""
        return len(self._in_hand) + len(self._elsewhere)

    def put(self, partition: TopicPartition, fetched: Iterable[Fetched]) -> None:
        self._fresh.setdefault(partition, deque()).extend(fetched)

    def take(self, most: int, now: datetime) -> Drawn:
        """Take what may be lent, at most so many; one of each partition in turn."""
        taking = Drawn()
        self._take_later(taking, most, now)
        while len(taking) < most and (partitions := self._open(now)):
            for partition in partitions[: most - len(taking)]:
                self._take_fresh(taking, partition, now)
        return taking

    def put_back(self, records: Iterable[Record], now: datetime) -> None:
        """Take back what could not be lent after all."""
        for record in records:
            self.again(record, now)

    def keep(self, taking: Drawn, now: datetime) -> None:
        """Take back what could not be moved, and look at it again later."""
        for record in taking.early:
            self.wait(record, now + self.terms.pace.busy)
        for found in reversed(taking.unreadable):
            partition = found.fetched.mark.partition
            self._fresh.setdefault(partition, deque()).appendleft(found.fetched)

    def wait(self, record: Record, due: datetime) -> None:
        """Look at the record again when it is due."""
        heapq.heappush(self._later, (due, next(self._count), record))

    def again(self, record: Record, due: datetime) -> None:
        """Try the record again when it is due, in its place."""
        self._return(record)
        self.wait(record, due)

    def may_stay(self, record: Record, waits_for: str | None) -> bool:
        """Whether it may wait in its place: in line, or held where there is room."""
        partition = record.mark.partition
        held = waits_for is not None and partition.topic == self.topics.held
        return self.lines.is_in_line(record) or (held and self._has_room(partition))

    def attempted_elsewhere(self, record: Record, now: datetime) -> None:
        """Look again later at what somebody else attempts, or died of attempting."""
        self.again(record, now + self.terms.pace.busy)
        self._elsewhere.add(_id(record))

    def finish(self, record: Record, now: datetime) -> None:
        """Let go of what is settled; whoever comes after it in its line is next."""
        self._return(record)
        self._let_next(record, now)

    async def returned_from(self, partitions: Collection[TopicPartition]) -> None:
        """Return once nothing of these partitions is on loan."""
        while any(mark.partition in partitions for mark in self._in_hand.values()):
            await self._returned.wait()

    def wake(self, secret: str | None, now: datetime) -> None:
        """Make due what waits for the secret, or for any, here and in the log."""
        self.wakes.wake(secret, now)
        woken = [
            (now if _waits_for(record, secret) else due, number, record)
            for due, number, record in self._later
        ]
        heapq.heapify(woken)
        self._later = woken

    def due(self, now: datetime) -> int:
        """Return about how many may be lent now."""
        later = sum(due <= now for due, _, _ in self._later)
        return later + sum(len(self._fresh[partition]) for partition in self._open(now))

    def forget(self, partitions: Collection[TopicPartition], now: datetime) -> None:
        """Drop what is no longer ours to lend; what is on loan stays so."""
        for partition in partitions:
            self._fresh.pop(partition, None)
        # First who waits in line, or he would be let go in place of who is dropped.
        self.lines.forget(partitions)
        waiting, self._later = self._later, []
        for due, _, record in waiting:
            if record.mark.partition in partitions:
                self._let_next(record, now)
            else:
                self.wait(record, due)

    def _take_later(self, taking: Drawn, most: int, now: datetime) -> None:
        while self._later and self._later[0][0] <= now and len(taking) < most:
            _, _, record = heapq.heappop(self._later)
            if self.positions.is_current(record.mark):
                self._sort(taking, record, now)
            else:
                self._let_next(record, now)

    def _take_fresh(
        self, taking: Drawn, partition: TopicPartition, now: datetime
    ) -> None:
        waiting = self._fresh.pop(partition)
        fetched = waiting.popleft()
        if waiting:
            self._fresh[partition] = waiting  # the last to be asked the next time
        if not self.positions.is_current(fetched.mark):
            return
        try:
            record = self._read(fetched)
        except MalformedTrigger as fault:
            found = Unreadable(fetched=fetched, reason=str(fault))
            taking.unreadable.append(found)
            return
        self._sort(taking, record, now)

    def _sort(self, taking: Drawn, record: Record, now: datetime) -> None:
        if not self._is_due(record, now):
            self._set_aside(taking, record)
        elif self.lines.join(record):
            self._offer(taking, record)

    def _set_aside(self, taking: Drawn, record: Record) -> None:
        """Let it wait here, where a wake finds it, if there is room; or in the log."""
        partition = record.mark.partition
        if partition.topic == self.topics.held and self._has_room(partition):
            assert record.due is not None
            self.wait(record, record.due)
        else:
            taking.early.append(record)

    def _offer(self, taking: Drawn, record: Record) -> None:
        if _id(record) in self._in_hand:  # another record of what is on loan
            self._behind.setdefault(_id(record), []).append(record)
        else:
            self._elsewhere.discard(_id(record))
            self._in_hand[_id(record)] = record.mark
            taking.due.append(record)

    def _read(self, fetched: Fetched) -> Record:
        if fetched.flaw is not None:
            raise MalformedTrigger(fetched.flaw)
        if fetched.raw.topic == self.topics.main:
            return read_published(fetched, self.profile)
        return read_parked(fetched)

    def _is_due(self, record: Record, now: datetime) -> bool:
        if record.due is None or record.due <= now + _SOON:
            return True
        return self.wakes.woke(record.waits_for, since=record.at)

    def _open(self, now: datetime) -> list[TopicPartition]:
        """Name the partitions whose first record may be looked at."""
        return [
            partition
            for partition, fetched in self._fresh.items()
            if fetched and self._may_look(partition, fetched[0].at, now)
        ]

    def _may_look(self, partition: TopicPartition, at: datetime, now: datetime) -> bool:
        if partition.topic == self.topics.main:
            return True
        if partition.topic == self.topics.held:
            old = self.wakes.last >= at or now >= at + self.terms.pace.held
            return old or self._has_room(partition)
        return now >= at + self.topics.retries[partition.topic]

    def _has_room(self, partition: TopicPartition) -> bool:
        window = self.terms.window
        few = self.positions.span(partition) <= window.records // 4
        bytes_ = window.bytes_for(partition.topic, self.topics)
        return few and self.positions.bytes_of(partition.topic) <= bytes_ // 2

    def _return(self, record: Record) -> None:
        self._in_hand.pop(_id(record), None)
        for other in self._behind.pop(_id(record), ()):
            self.wait(other, other.at)  # which is past: it is due at once
        self._returned.set()
        self._returned = asyncio.Event()

    def _let_next(self, record: Record, now: datetime) -> None:
        self._elsewhere.discard(_id(record))
        following = self.lines.leave(record)
        if following is not None:
            self.wait(following, now)


def _id(record: Record) -> tuple[str, str]:
    return (record.trigger.profile, record.trigger.id)


def _waits_for(record: Record, secret: str | None) -> bool:
    if secret is None:
        return record.waits_for is not None
    return record.waits_for == secret
