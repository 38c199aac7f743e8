"""Assigned partitions: paused when they are full, committed as they are settled."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from keyrelay.model.world import World
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.connecting.unpacking import LARGEST_BATCH

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class AssignedPartitions:
    """Tells one client which of its partitions to read, and how far they are."""

    client: AIOKafkaConsumer
    buffer: Buffer
    world: World
    _paused: set[TopicPartition] = field(default_factory=set, init=False)
    _standing: dict[TopicPartition, int] = field(default_factory=dict, init=False)
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def reading(self) -> Collection[TopicPartition]:
        """Return the partitions that are not paused."""
        return frozenset(self.client.assignment() - self._paused)

    def is_paused(self, topic: str) -> bool:
        """Tell whether any partition of the topic is paused."""
        return any(each.topic == topic for each in self._paused)

    def pause_and_resume(self) -> None:
        """Stop reading where too much is unsettled; resume where it no longer is."""
        for partition in self.client.assignment():
            if not self._is_full(partition):
                if partition in self._paused:
                    self.client.resume(partition)
                    self._paused.discard(partition)
            elif partition not in self._paused:
                self.client.pause(partition)
                self._paused.add(partition)

    def stand(self, partition: TopicPartition, offset: int) -> None:
        """Read no further in a partition, whose next batch cannot be held."""
        self._standing[partition] = offset
        self.report_standing()

    def report_standing(self) -> None:
        """Log which partitions stand, and where."""
        for partition, offset in self._standing.items():
            said = {
                "topic": partition.topic,
                "partition": partition.partition,
                "offset": offset,
                "reason": f"the batch unpacks to more than {LARGEST_BATCH} bytes: copy"
                " what is needed of it, then move the group's offset behind it",
            }
            log.error("partition stands at a batch that cannot be held", extra=said)

    def resume(self) -> None:
        """Resume where there is room again."""
        if self._paused:
            self.pause_and_resume()

    async def commit(self) -> None:
        """Commit the offsets that moved; a failure is logged, and tried again later."""
        # One commit at a time: of two that the client repeats, the older could be the
        # last to arrive.
        async with self._committing:
            await self._commit()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop all that was read of partitions; their next consumer reads it again."""
        self.buffer.forget(partitions, self.world.now())
        for partition in partitions:
            self.buffer.positions.revoke(partition)
        self._paused.difference_update(partitions)
        for partition in partitions:
            self._standing.pop(partition, None)

    def forget_all(self) -> None:
        self.forget(list(self.client.assignment()))

    async def _commit(self) -> None:
        positions, assigned = self.buffer.positions, self.client.assignment()
        moved = positions.uncommitted().items()
        offsets = {each: offset for each, offset in moved if each in assigned}
        if not offsets:
            return
        try:
            await self.client.commit(offsets)
        except (KafkaError, IllegalStateError) as fault:
            # Usual during a rebalance. The next consumer of these partitions reads the
            # records again, and finds their claims.
            log.info("offsets not committed", extra={"reason": type(fault).__name__})
        else:
            positions.committed(offsets)

    def _is_full(self, partition: TopicPartition) -> bool:
        if partition in self._standing:
            return True
        window, positions = self.buffer.options.window, self.buffer.positions
        bytes_ = window.bytes_for(partition.topic, self.buffer.topics)
        if positions.bytes_of(partition.topic) >= bytes_:
            return True
        if positions.span(partition) >= window.records:
            return True
        since = positions.first_fetched_at(partition)
        # Records in the other topics are there to wait, and may be old.
        is_main = partition.topic == self.buffer.topics.main
        return is_main and since is not None and self.world.now() - since > window.age
