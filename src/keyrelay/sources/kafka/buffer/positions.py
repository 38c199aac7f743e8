"""Positions: how far each partition is settled, and which offset may be committed.

Records are settled in any order, while Kafka keeps one offset for a partition: that of
the next record to read after a restart. So the offset that may be committed is that of
the first record that is not settled. Offsets need not be consecutive: a compacted or
transactional log has holes.
"""

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiokafka.structs import TopicPartition

from keyrelay.sources.kafka.records.position import FetchPosition


@dataclass(frozen=True, slots=True)
class _Unsettled:
    size: int
    fetched_at: datetime
    written_at: datetime


@dataclass(slots=True)
class _PartitionProgress:
    """One assignment of a partition.

    `next_offset` is the one that may be committed. `fetched` are the offsets from there
    on; `unsettled` are those of them that are not settled. Behind them there is no
    record before the offset `passed`.
    """

    epoch: int
    next_offset: int
    committed: int
    passed: int = 0
    fetched: deque[int] = field(default_factory=deque)
    unsettled: dict[int, _Unsettled] = field(default_factory=dict)

    @property
    def next_fetch(self) -> int:
        """The first offset that was not fetched."""
        return self.fetched[-1] + 1 if self.fetched else self.next_offset

    def advance(self) -> None:
        while self.fetched and self.fetched[0] not in self.unsettled:
            self.next_offset = self.fetched.popleft() + 1
        if not self.fetched:
            self.next_offset = max(self.next_offset, self.passed)


@dataclass(slots=True)
class Positions:
    """The progress of the partitions that are assigned to this process."""

    _of: dict[TopicPartition, _PartitionProgress] = field(
        default_factory=dict, init=False
    )
    _bytes: Counter[str] = field(default_factory=Counter, init=False)
    _epochs: Iterator[int] = field(default_factory=itertools.count, init=False)

    @property
    def bytes(self) -> int:
        """How many bytes of memory all unsettled records take."""
        return self._bytes.total()

    def bytes_of(self, topic: str) -> int:
        """Return how many bytes of memory the topic's unsettled records take."""
        return self._bytes[topic]

    def track(
        self,
        partition: TopicPartition,
        offset: int,
        size: int,
        fetched_at: datetime,
        written_at: datetime,
    ) -> FetchPosition:
        """Note that a record was fetched; its partition is assigned if it was not."""
        progress = self._of.get(partition)
        if progress is None or offset < progress.next_fetch:
            # An offset that goes back begins another assignment: a rebalance took the
            # partition away in between, or the topic was made anew.
            self.revoke(partition)
            progress = _PartitionProgress(next(self._epochs), offset, offset)
            self._of[partition] = progress
        progress.fetched.append(offset)
        progress.unsettled[offset] = _Unsettled(size, fetched_at, written_at)
        self._bytes[partition.topic] += size
        return FetchPosition(partition, progress.epoch, offset)

    def passed(self, partition: TopicPartition, offset: int) -> None:
        """Note that all before the offset was fetched, or is no record.

        The end of a transaction, for example, is none.
        """
        progress = self._of.get(partition)
        if progress is None:
            if offset:  # else there is nothing to commit
                self._of[partition] = _PartitionProgress(next(self._epochs), offset, 0)
        elif offset >= progress.next_fetch:
            progress.passed = offset
            progress.advance()

    def is_current(self, position: FetchPosition) -> bool:
        """Tell whether the assignment under which it was fetched still lasts."""
        progress = self._of.get(position.partition)
        # The epoch is the guard: what was fetched under an assignment that is over says
        # nothing of this one, under which the same record may be fetched once more.
        return progress is not None and progress.epoch == position.epoch

    def settle(self, position: FetchPosition) -> None:
        """Note that the record is settled; after a revocation, do nothing."""
        if self.is_current(position):
            progress = self._of[position.partition]
            if (settled := progress.unsettled.pop(position.offset, None)) is not None:
                self._bytes[position.partition.topic] -= settled.size
                progress.advance()

    def revoke(self, partition: TopicPartition) -> None:
        """End the partition's assignment."""
        progress = self._of.pop(partition, None)
        if progress is not None:
            size = sum(each.size for each in progress.unsettled.values())
            self._bytes[partition.topic] -= size

    def uncommitted(self) -> Mapping[TopicPartition, int]:
        """Return the offsets that may be committed and are not."""
        return {
            partition: progress.next_offset
            for partition, progress in self._of.items()
            if progress.next_offset > progress.committed
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that these offsets are committed."""
        for partition, offset in offsets.items():
            if (progress := self._of.get(partition)) is not None:
                # An offset of an earlier assignment may be beyond this one's.
                known = min(offset, progress.next_offset)
                progress.committed = max(progress.committed, known)

    def span(self, partition: TopicPartition) -> int:
        """Return how many records were fetched from the first unsettled one on."""
        progress = self._of.get(partition)
        return len(progress.fetched) if progress else 0

    def unsettled(self, partition: TopicPartition) -> int:
        """Return how many of the partition's records are not settled."""
        progress = self._of.get(partition)
        return len(progress.unsettled) if progress else 0

    def first_fetched_at(self, partition: TopicPartition) -> datetime | None:
        """Return when the first unsettled record was fetched; None, there is none."""
        first = self._first(partition)
        return None if first is None else first.fetched_at

    def first_written_at(self, partition: TopicPartition) -> datetime | None:
        """Return when the first unsettled record was written; None, there is none."""
        first = self._first(partition)
        return None if first is None else first.written_at

    def _first(self, partition: TopicPartition) -> _Unsettled | None:
        progress = self._of.get(partition)
        if progress is None or not progress.fetched:
            return None
        return progress.unsettled[progress.fetched[0]]
