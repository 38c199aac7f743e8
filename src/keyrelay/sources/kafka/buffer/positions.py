"""Positions: how far each partition is done, gap by gap, and what may be committed.

Records are settled in any order; committed is only what comes before the first that is
not. Offsets need not be consecutive: a log may have holes.
"""

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiokafka.structs import TopicPartition


@dataclass(frozen=True, slots=True)
class Mark:
    """A record that was taken, under one assignment of its partition to us."""

    partition: TopicPartition
    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Open:
    size: int
    taken_at: datetime
    written_at: datetime


@dataclass(slots=True)
class _PartitionProgress:
    """`taken` are offsets from the first that is not done; `open` are the sizes and
    times of those among them that are not."""

    epoch: int
    position: int
    committed: int
    taken: deque[int] = field(default_factory=deque)
    open: dict[int, _Open] = field(default_factory=dict)

    @property
    def next(self) -> int:
        """The first offset that was not taken."""
        return self.taken[-1] + 1 if self.taken else self.position

    def advance(self) -> None:
        while self.taken and self.taken[0] not in self.open:
            self.position = self.taken.popleft() + 1


@dataclass(slots=True)
class Positions:
    """Those of the partitions that are assigned to us."""

    _of: dict[TopicPartition, _PartitionProgress] = field(
        default_factory=dict, init=False
    )
    _bytes: Counter[str] = field(default_factory=Counter, init=False)
    _epochs: Iterator[int] = field(default_factory=itertools.count, init=False)

    @property
    def bytes(self) -> int:
        """How many are under way in all."""
        return self._bytes.total()

    def bytes_of(self, topic: str) -> int:
        """Return how many of the topic's are under way."""
        return self._bytes[topic]

    def take(
        self,
        partition: TopicPartition,
        offset: int,
        size: int,
        taken_at: datetime,
        written_at: datetime,
    ) -> Mark:
        """Note that the record is under way, and assign its partition if need be."""
        progress = self._of.get(partition)
        if progress is None or offset < progress.next:
            # Read back, it is not the log of which the offsets so far were.
            self.revoke(partition)
            progress = _PartitionProgress(next(self._epochs), offset, offset)
            self._of[partition] = progress
        progress.taken.append(offset)
        progress.open[offset] = _Open(size, taken_at, written_at)
        self._bytes[partition.topic] += size
        return Mark(partition, progress.epoch, offset)

    def is_current(self, mark: Mark) -> bool:
        progress = self._of.get(mark.partition)
        # The epoch is the guard: what was taken under an assignment that is over says
        # nothing of this one, in which the same record may be under way once more.
        return progress is not None and progress.epoch == mark.epoch

    def done(self, mark: Mark) -> None:
        """Note that the record is settled; too late, after a revocation, do nothing."""
        if self.is_current(mark):
            progress = self._of[mark.partition]
            if (done := progress.open.pop(mark.offset, None)) is not None:
                self._bytes[mark.partition.topic] -= done.size
                progress.advance()

    def revoke(self, partition: TopicPartition) -> None:
        progress = self._of.pop(partition, None)
        if progress is not None:
            size = sum(each.size for each in progress.open.values())
            self._bytes[partition.topic] -= size

    def uncommitted(self) -> Mapping[TopicPartition, int]:
        """Return where the next record to read is, of what has moved."""
        return {
            partition: progress.position
            for partition, progress in self._of.items()
            if progress.position > progress.committed
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition, offset in offsets.items():
            if (progress := self._of.get(partition)) is not None:
                # Of another assignment, it may be beyond where this one is.
                known = min(offset, progress.position)
                progress.committed = max(progress.committed, known)

    def span(self, partition: TopicPartition) -> int:
        """Return how many records are taken from the first that is not done."""
        progress = self._of.get(partition)
        return len(progress.taken) if progress else 0

    def open(self, partition: TopicPartition) -> int:
        """Return how many of the partition's records are under way."""
        progress = self._of.get(partition)
        return len(progress.open) if progress else 0

    def since(self, partition: TopicPartition) -> datetime | None:
        """Return when the first that is not done was taken; None, all are done."""
        first = self._first(partition)
        return None if first is None else first.taken_at

    def oldest(self, partition: TopicPartition) -> datetime | None:
        """Return when the first that is not done was written; None, all are done."""
        first = self._first(partition)
        return None if first is None else first.written_at

    def _first(self, partition: TopicPartition) -> _Open | None:
        progress = self._of.get(partition)
        if progress is None or not progress.taken:
            return None
        return progress.open[progress.taken[0]]
