"""The pump: keeps the shelf filled from the log, and the log told how far we are."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.world import World
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.reading.watchdog import Watchdog
from keyrelay.sources.kafka.records.record import Fetched, size_of, written_at
from keyrelay.sources.kafka.records.undecodable import FLAW, read_around, stand_in

log = logging.getLogger(__name__)

_MOST = 500  # records at a time: the loop is not ours alone
_QUESTION = 5.0  # seconds; what is not answered in that time is not known


@dataclass(slots=True, kw_only=True, eq=False)
class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # it ships no types
    """One consumer's life; it also hears which partitions come and go."""

    consumer: AIOKafkaConsumer
    shelf: Buffer
    bell: Wakeup
    terms: KafkaOptions
    world: World
    watchdog: Watchdog
    _paused: set[TopicPartition] = field(default_factory=set, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def run(self) -> None:
        """Read until cancelled. Raises Stalled, and KafkaError as the library does."""
        self.consumer.subscribe(self.shelf.topics.read, listener=self)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch())
            group.create_task(self._commit_on())
            group.create_task(self._look_around())
            group.create_task(self._guard())

    def let_go(self) -> None:
        """Forget all that was read: whoever reads it next begins there."""
        self._let_go(list(self.consumer.assignment()))

    async def commit(self) -> None:
        """Tell the log how far we are."""
        # One after the other: of two that are tried again the older could be the last.
        async with self._turn:
            await self._commit()

    async def _commit(self) -> None:
        positions, assigned = self.shelf.positions, self.consumer.assignment()
        moved = positions.uncommitted().items()
        offsets = {each: offset for each, offset in moved if each in assigned}
        if not offsets:
            return
        try:
            await self.consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as fault:
            # Normal while the group is joined anew; whoever reads these records again
            # finds their claims.
            log.info("offsets not committed", extra={"why": type(fault).__name__})
        else:
            positions.committed(offsets)

    async def on_partitions_assigned(
        self, assigned: Collection[TopicPartition]
    ) -> None:
        now = self.world.now()
        self.watchdog.joined(now)
        # Who was paused where these were before is not known here: all may try.
        self.shelf.wake(None, now)
        log.info("partitions assigned", extra={"partitions": len(assigned)})

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Let what is on loan be settled, for a while; then forget it."""
        self.watchdog.left(self.world.now())
        self.shelf.forget(revoked, self.world.now())
        try:
            async with asyncio.timeout(self.terms.pace.leaving.total_seconds()):
                await self.shelf.returned_from(revoked)
        except TimeoutError:
            # Whoever gets these partitions finds the claims of what is still on loan.
            log.info("partitions revoked while triggers are under way")
        try:
            await self.commit()
        finally:
            self._let_go(revoked)

    def make_room(self) -> None:
        """Go on reading where reading was stopped because too much was under way."""
        if self._paused:
            self._flow()

    async def _fetch(self) -> None:
        look = int(self.terms.pace.look.total_seconds() * 1000)
        while True:
            self._flow()
            try:
                fetched = await self.consumer.getmany(
                    timeout_ms=look, max_records=_MOST
                )
            except UnicodeDecodeError:
                await self._go_around()
                continue
            for partition, raws in fetched.items():
                self._put(partition, raws)
            if fetched:
                self.watchdog.moved(self.world.now())
                await asyncio.sleep(0)  # what has been fetched is given without a pause

    async def _go_around(self) -> None:
        """Put on the shelf what can be read, and the place of what cannot."""
        reading = self.consumer.assignment() - self._paused
        passage = await read_around(self.consumer, reading)
        for raw in passage.readable:
            self._put(TopicPartition(raw.topic, raw.partition), [raw])
        if passage.passed_over is None:
            return
        now, (partition, offset) = self.world.now(), passage.passed_over
        noted = self._noted(partition, stand_in(partition, offset, now), now)
        self.shelf.put(partition, [replace(noted, flaw=FLAW)])
        self.watchdog.moved(now)
        self.bell.wake(1)

    def _put(self, partition: TopicPartition, raws: Iterable[ConsumerRecord]) -> None:
        now = self.world.now()
        fetched = [self._noted(partition, raw, now) for raw in raws]
        self.shelf.put(partition, fetched)
        self.bell.wake(len(fetched))

    def _noted(
        self, partition: TopicPartition, raw: ConsumerRecord, now: datetime
    ) -> Fetched:
        at = min(now, written_at(raw))
        mark = self.shelf.positions.take(partition, raw.offset, size_of(raw), now, at)
        return Fetched(raw, mark, at)

    def _flow(self) -> None:
        """Stop reading where too much is under way, and go on where it no longer is."""
        for partition in self.consumer.assignment():
            if not self._is_full(partition):
                if partition in self._paused:
                    self.consumer.resume(partition)
                    self._paused.discard(partition)
            elif partition not in self._paused:
                self.consumer.pause(partition)
                self._paused.add(partition)

    def _is_full(self, partition: TopicPartition) -> bool:
        window, positions = self.terms.window, self.shelf.positions
        bytes_ = window.bytes_for(partition.topic, self.shelf.topics)
        if positions.bytes_of(partition.topic) >= bytes_:
            return True
        if positions.span(partition) >= window.records:
            return True
        since = positions.since(partition)
        # What waits in a retry topic is there to grow old.
        fresh = partition.topic == self.shelf.topics.main
        return fresh and since is not None and self.world.now() - since > window.age

    async def _look_around(self) -> None:
        """Wake lanes for what came due."""
        while True:
            await self.world.sleep(self.terms.pace.look)
            if self.terms.drain:
                self.bell.wake_all()
            elif self.bell.waiting:
                self.bell.wake(self.shelf.due(self.world.now()))

    async def _commit_on(self) -> None:
        while True:
            await self.world.sleep(self.terms.pace.commit)
            await self.commit()

    async def _guard(self) -> None:
        while True:
            await self.world.sleep(self.watchdog.patience / 3)
            behind = await self._is_behind()
            # If the brokers do not answer, no other consumer would help.
            self.watchdog.check(self.world.now(), behind=behind is True)

    async def has_read_all(self) -> bool:
        """Return whether everything is known to be read that could be done now."""
        if any(each.topic == self.shelf.topics.main for each in self._paused):
            return False
        behind = await self._is_behind()
        return behind is False and self.watchdog.left_at is None

    async def _is_behind(self) -> bool | None:
        """Return whether there is more to read than was read; None, nobody says so."""
        reading = self.consumer.assignment() - self._paused
        if not reading:
            return False
        try:
            async with asyncio.timeout(_QUESTION):
                ends = await self.consumer.end_offsets(list(reading))
        except (KafkaError, TimeoutError):
            return None
        try:
            async with asyncio.timeout(_QUESTION):
                return any(
                    [ends[each] > await self.consumer.position(each) for each in ends]
                )
        except (KafkaError, IllegalStateError, TimeoutError):
            return True

    def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        self.shelf.forget(partitions, self.world.now())
        for partition in partitions:
            self.shelf.positions.revoke(partition)
        self._paused.difference_update(partitions)
