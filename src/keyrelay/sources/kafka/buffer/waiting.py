"""Waiting records: triggers that are looked at again when they are due."""

import heapq
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import LONGEST_WAIT
from keyrelay.sources.kafka.records.record import Record

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class WaitingRecords:
    """The first that is due comes first; of those due at once, the first added."""

    _heap: list[tuple[datetime, int, Record]] = field(default_factory=list, init=False)
    _latest: datetime = field(default=_NEVER, init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    def add(self, record: Record, due: datetime) -> None:
        heapq.heappush(self._heap, (due, next(self._numbers), record))
        self._latest = max(self._latest, due)

    def pop_due(self, now: datetime) -> Record | None:
        """Remove and return the first record that is due; None, none is."""
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, record = heapq.heappop(self._heap)
        return record

    def count_due(self, now: datetime) -> int:
        return sum(due <= now for due, _, _ in self._heap)

    def bring_forward(self, now: datetime) -> None:
        """Make due what is due later than any wait lasts: the clock was ahead."""
        latest = now + LONGEST_WAIT
        if self._latest <= latest:
            return
        self._heap = [
            (now if due > latest else due, number, record)
            for due, number, record in self._heap
        ]
        heapq.heapify(self._heap)
        self._latest = latest

    def wake(self, secret: str | None, now: datetime) -> None:
        """Make due what waits for the secret; None, for any secret."""
        self._heap = [
            (now if _waits_for(record, secret) else due, number, record)
            for due, number, record in self._heap
        ]
        heapq.heapify(self._heap)

    def remove(self, partitions: Collection[TopicPartition]) -> Sequence[Record]:
        """Remove and return the records of these partitions."""
        entries, self._heap = self._heap, []
        removed = []
        for entry in entries:
            record = entry[2]
            if record.position.partition in partitions:
                removed.append(record)
            else:
                self._heap.append(entry)
        heapq.heapify(self._heap)
        return removed


def _waits_for(record: Record, secret: str | None) -> bool:
    if secret is None:
        return record.waits_for is not None
    return record.waits_for == secret
