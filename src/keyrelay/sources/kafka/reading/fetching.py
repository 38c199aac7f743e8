"""Fetching: what the client library returns, with nothing stepped over.

The library moves a partition's position when it hands out records. What it had handed
out of other partitions is lost when it raises at a record or batch of one; then each
partition goes back to where reading has really got to.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.backlog import Gap, ReadingLosses
from keyrelay.sources.kafka.connecting.unpacking import (
    BatchTooLarge,
    TooMuchUnpacked,
    bounded_unpacking,
)

log = logging.getLogger(__name__)

_MOST = 500  # records at a time, so that lanes get their turn of the event loop
_ANSWER = 5.0  # seconds; what the brokers do not say within them is not known
_LOOK = timedelta(seconds=1)  # between two looks at what was stepped over
_AT_ONCE = 0.001  # seconds; a position that is known takes none

Fetched = Mapping[TopicPartition, Sequence[ConsumerRecord]]


@dataclass(slots=True, kw_only=True)
class Fetching:
    """One consumer's reading; `next` is the offset that each partition is read from.

    None: the group has committed nothing, and reading begins with the log.

    `assignments` is another number whenever partitions come or go. After batches that
    unpack to too much, records are taken one by one for a while. What was fetched last
    is `in_hand` until more is fetched.
    """

    client: AIOKafkaConsumer
    losses: ReadingLosses
    next: dict[TopicPartition, int | None] = field(default_factory=dict, init=False)
    assignments: int = field(default=0, init=False)
    in_hand: bool = field(default=False, init=False)
    _one_by_one: int = field(default=0, init=False)

    async def fetch(self, patience: timedelta) -> Fetched:
        """Return the next records; none, if there are none for that long.

        Raises UnicodeDecodeError and BatchTooLarge, and then nothing was read, and
        KafkaError as the library does.
        """
        self.in_hand = False
        await self._begin()
        milliseconds = int(patience.total_seconds() * 1000)
        most = 1 if self._one_by_one else _MOST
        self._one_by_one = max(0, self._one_by_one - 1)
        try:
            with bounded_unpacking():
                fetched = await self.client.getmany(
                    timeout_ms=milliseconds, max_records=most
                )
        except TooMuchUnpacked:
            self._one_by_one = _MOST
            await self.go_back()
            return {}
        except (UnicodeDecodeError, BatchTooLarge):
            await self.go_back()
            raise
        self.in_hand = bool(fetched)
        # It may have waited for an assignment, whose partitions begin with it.
        assignments = self.assignments
        await self._begin()
        return fetched if self.assignments == assignments else {}

    async def go_back(self) -> None:
        """Read on from where reading has got to."""
        await self._begin()
        for partition, offset in [*self.next.items()]:
            try:
                if offset is None:
                    await self.client.seek_to_beginning(partition)
                else:
                    self.client.seek(partition, offset)
            except IllegalStateError:  # it was revoked meanwhile
                continue

    def note(self, partition: TopicPartition, raws: Sequence[ConsumerRecord]) -> None:
        """Note that these were read, and what is missing before them."""
        before = self.next.get(partition)
        self.next[partition] = raws[-1].offset + 1
        self._note_gap(partition, before, raws[0].offset)

    async def position(self, partition: TopicPartition) -> int | None:
        """Return the position of a partition that gave no records; None, none is known.

        It moves over what is no record, such as the ends of transactions.
        """
        if partition not in self.next:
            return None
        try:
            async with asyncio.timeout(_AT_ONCE):
                position = int(await self.client.position(partition))
        except (TimeoutError, IllegalStateError, KafkaError):
            return None
        before = self.next.get(partition)
        self.next[partition] = position
        self._note_gap(partition, before, position)
        return position

    async def report_gaps(self) -> NoReturn:
        """Report what was deleted before it was read, beside the reading."""
        gaps = self.losses.gaps
        while True:
            # Forgotten only then: another consumer may have to go on with it.
            while gaps and await self._has_reported(gaps[0]):
                del gaps[0]
            await asyncio.sleep(_LOOK.total_seconds())

    def forget_all(self) -> None:
        """Begin anew: partitions may have been read by others meanwhile."""
        self.next.clear()
        self.assignments += 1

    async def _begin(self) -> None:
        """Note where the group has got to, once the brokers say it of all partitions.

        What is read without a beginning could not be told from a loss.
        """
        while unknown := self.client.assignment() - self.next.keys():
            for partition in unknown:
                try:
                    async with asyncio.timeout(_ANSWER):
                        committed = await self.client.committed(partition)
                except (TimeoutError, IllegalStateError, KafkaError):
                    await asyncio.sleep(_LOOK.total_seconds())
                    break  # it may have been revoked
                self.next[partition] = committed

    def _note_gap(
        self, partition: TopicPartition, before: int | None, found: int
    ) -> None:
        if before is not None and found > before:
            gap = Gap(partition.topic, partition.partition, before, found)
            self.losses.gaps.append(gap)

    async def _has_reported(self, gap: Gap) -> bool:
        """Report the records of a gap that Kafka has deleted; False, it is not known.

        Other gaps are those that the ends of transactions leave.
        """
        partition = TopicPartition(gap.topic, gap.partition)
        try:
            async with asyncio.timeout(_ANSWER):
                begins = await self.client.beginning_offsets([partition])
        except (TimeoutError, KafkaError):
            return False
        end = min(gap.end, begins[partition])
        if end > gap.first:
            self.losses.lost[gap.topic] += end - gap.first
            said = {
                "topic": gap.topic,
                "partition": gap.partition,
                "first": gap.first,
                "last": end - 1,
                "reason": "Kafka has deleted them: retention is shorter than the"
                " backlog",
            }
            log.error("records lost before they were read", extra=said)
        return True
