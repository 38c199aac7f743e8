"""Consumer: one member of the group, from joining to leaving.

It fetches records into the buffer, commits what is settled, wakes lanes for what comes
due, is watched, and hears which partitions come and go.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.world import World
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.connecting.unpacking import BatchTooLarge
from keyrelay.sources.kafka.reading.assigned import AssignedPartitions
from keyrelay.sources.kafka.reading.fetching import Fetched, Fetching
from keyrelay.sources.kafka.reading.watchdog import Watchdog
from keyrelay.sources.kafka.records.made_up_ids import former_id, timestamp_of
from keyrelay.sources.kafka.records.record import FetchedRecord
from keyrelay.sources.kafka.records.size import size_of
from keyrelay.sources.kafka.records.undecodable import (
    REASON,
    fetch_around,
    placeholder,
)

log = logging.getLogger(__name__)

_REPORT = timedelta(minutes=1)
_ANSWER = 5.0  # seconds; what the brokers do not say within them is not known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # it ships no types
    client: AIOKafkaConsumer
    buffer: Buffer
    partitions: AssignedPartitions
    watchdog: Watchdog
    fetching: Fetching
    world: World

    async def run(self) -> None:
        """Read until cancelled. Raises Stalled, and KafkaError as the library does."""
        self.client.subscribe(self.buffer.topics.read, listener=self)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch())
            group.create_task(self._commit())
            group.create_task(self._wake_for_due())
            group.create_task(self._guard())
            group.create_task(self._report_standing())
            group.create_task(self.fetching.report_gaps())

    async def on_partitions_assigned(
        self, assigned: Collection[TopicPartition]
    ) -> None:
        now = self.world.now()
        self.watchdog.joined(now)
        self.buffer.fetched.earlier.assigned(now)
        self.fetching.forget_all()
        # Which wakes came where these partitions were before is not known here, so all
        # that waits for a secret is tried.
        self.buffer.wake(None, now)
        log.info("partitions assigned", extra={"partitions": len(assigned)})

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait a while for leases of these partitions; then commit and forget them."""
        self.watchdog.left(self.world.now())
        self.buffer.forget(revoked, self.world.now())
        patience = self.buffer.options.intervals.revocation
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await self.buffer.loans.returned_from(revoked)
        except TimeoutError:
            # The next consumer of these partitions finds the claims of what is on loan.
            log.info("partitions revoked while triggers are under way")
        try:
            await self.partitions.commit()
        finally:
            self.partitions.forget(revoked)
            self.fetching.forget_all()

    async def has_read_all(self) -> bool:
        """Return whether all is known to be read that could be attempted now."""
        if self.partitions.is_paused(self.buffer.topics.main):
            return False
        behind = await self._is_behind()
        # Asked after it: positions are past records that are in hand.
        is_done = behind is False and not self.fetching.in_hand
        return is_done and self.watchdog.left_at is None

    async def _fetch(self) -> NoReturn:
        while True:
            self.partitions.pause_and_resume()
            try:
                fetched = await self.fetching.fetch(self.buffer.options.intervals.poll)
            except (UnicodeDecodeError, BatchTooLarge):
                await self._fetch_around()
                continue
            await self._keep(fetched)
            if fetched:
                self.watchdog.moved(self.world.now())
                await asyncio.sleep(0)  # `getmany` does not yield when it has records

    async def _keep(self, fetched: Fetched) -> None:
        """Put records into the buffer, unless their partitions are revoked meanwhile.

        Then they are fetched again, by the next consumer of these partitions.
        """
        assignments = self.fetching.assignments
        former_ids = {
            each: await self._former_ids(each, fetched[each]) for each in fetched
        }
        if self.fetching.assignments != assignments:
            return
        for partition, raws in fetched.items():
            self._put(partition, raws, former_ids[partition])
        for partition, raws in fetched.items():
            self.fetching.note(partition, raws)
        for partition in frozenset(self.partitions.reading()).difference(fetched):
            position = await self.fetching.position(partition)
            if self.fetching.assignments != assignments:
                return
            if position is not None:
                self.buffer.positions.passed(partition, position)

    async def _fetch_around(self) -> None:
        """Keep what can be read; pass over a record that cannot be decoded.

        A partition whose next batch cannot be held is read no further.
        """
        fetch = await fetch_around(self.client, self.partitions.reading())
        decoded = dict[TopicPartition, list[ConsumerRecord]]()
        for raw in fetch.decoded:
            place = TopicPartition(raw.topic, raw.partition)
            decoded.setdefault(place, []).append(raw)
        if decoded:
            # All at once: the library's positions are past each of them.
            await self._keep(decoded)
        if fetch.too_large is not None:
            self.partitions.stand(*fetch.too_large)
        if fetch.passed_over is None:
            return
        now, (partition, offset) = self.world.now(), fetch.passed_over
        empty = placeholder(partition, offset, now)
        tracked = self._track(partition, empty, now)
        self.buffer.put(partition, [replace(tracked, undecodable=REASON)])
        self.fetching.note(partition, [empty])
        self.watchdog.moved(now)

    def _put(
        self,
        partition: TopicPartition,
        raws: Sequence[ConsumerRecord],
        former_ids: Collection[str],
    ) -> None:
        now = self.world.now()
        fetched = [self._track(partition, raw, now) for raw in raws]
        if former_ids:
            fetched = [_with_former_id(each, former_ids) for each in fetched]
        self.buffer.put(partition, fetched)

    async def _former_ids(
        self, partition: TopicPartition, raws: Sequence[ConsumerRecord]
    ) -> Collection[str]:
        if partition.topic != self.buffer.topics.main:
            return ()  # all that workers write has an id
        return await self.buffer.fetched.former_ids.claimed(raws)

    def _track(
        self, partition: TopicPartition, raw: ConsumerRecord, now: datetime
    ) -> FetchedRecord:
        written_at = min(now, timestamp_of(raw))
        position = self.buffer.positions.track(
            partition, raw.offset, size_of(raw), now, written_at
        )
        return FetchedRecord(raw, position, written_at)

    async def _commit(self) -> NoReturn:
        while True:
            await self.world.sleep(self.buffer.options.intervals.commit)
            await self.partitions.commit()

    async def _wake_for_due(self) -> NoReturn:
        while True:
            await self.world.sleep(self.buffer.options.intervals.poll)
            self.buffer.wake_for_due(self.world.now())

    async def _guard(self) -> NoReturn:
        while True:
            await self.world.sleep(self.watchdog.patience / 3)
            behind = await self._is_behind()
            # If the brokers do not answer, another consumer would not help.
            self.watchdog.check(self.world.now(), behind=behind is True)

    async def _report_standing(self) -> NoReturn:
        while True:
            await self.world.sleep(_REPORT)
            self.partitions.report_standing()

    async def _is_behind(self) -> bool | None:
        """Return whether there are records not fetched yet; None, it is not known."""
        reading = self.partitions.reading()
        if not reading:
            return False
        try:
            async with asyncio.timeout(_ANSWER):
                ends = await self.client.end_offsets(list(reading))
        except (KafkaError, TimeoutError):
            return None
        try:
            async with asyncio.timeout(_ANSWER):
                return any(
                    [ends[each] > await self.client.position(each) for each in ends]
                )
        except (KafkaError, IllegalStateError, TimeoutError):
            return True


def _with_former_id(
    fetched: FetchedRecord, former_ids: Collection[str]
) -> FetchedRecord:
    id_ = former_id(fetched.raw)
    return replace(fetched, former_id=id_) if id_ in former_ids else fetched
