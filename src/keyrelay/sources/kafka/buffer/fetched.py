"""Fetched records: bytes that no lane has asked for yet, decoded when one does."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiokafka.structs import TopicPartition

from keyrelay.model.backlog import ReadingLosses
from keyrelay.model.trigger import MalformedTrigger
from keyrelay.sources.kafka.records.made_up_ids import FormerIds
from keyrelay.sources.kafka.records.record import (
    FetchedRecord,
    Record,
    read_parked,
    read_published,
)
from keyrelay.sources.kafka.topics.names import Topics


@dataclass(slots=True, kw_only=True)
class EarlierReading:
    """Which records another worker may have attempted, where no claims tell that.

    Those written `before` then: a worker had ended without signing off, or partitions
    moved between workers, and it is not known how far it had got.
    """

    unclaimed: bool = False
    before: datetime | None = None
    _assigned: bool = field(default=False, init=False)

    def assigned(self, now: datetime) -> None:
        """Note that partitions were assigned; at first they come from no other."""
        if self.unclaimed and self._assigned:
            self.before = now
        self._assigned = True

    def mark(self, record: Record) -> Record:
        """Return the record, which says so if its attempt may have been cut."""
        if self.before is None or record.written_at >= self.before:
            return record
        return replace(record, arrival=replace(record.arrival, cut=True))


@dataclass(slots=True, kw_only=True)
class FetchedRecords:
    """Each partition's records in the order of their offsets.

    Partitions take turns: one that gave a record is the last to give the next. Triggers
    that name no profile belong to `profile`; those without an id may have a former one.
    """

    topics: Topics
    profile: str | None
    former_ids: FormerIds
    earlier: EarlierReading = field(default_factory=EarlierReading)
    losses: ReadingLosses = field(default_factory=ReadingLosses)
    _of: dict[TopicPartition, deque[FetchedRecord]] = field(
        default_factory=dict, init=False
    )

    def add(self, partition: TopicPartition, fetched: Iterable[FetchedRecord]) -> None:
        self._of.setdefault(partition, deque()).extend(fetched)

    def add_first(self, fetched: FetchedRecord) -> None:
        """Put a record back in front of its partition's others."""
        partition = fetched.position.partition
        self._of.setdefault(partition, deque()).appendleft(fetched)

    def firsts(self) -> Iterator[tuple[TopicPartition, FetchedRecord]]:
        """Yield each partition with its first record, in the order of their turns."""
        for partition, fetched in self._of.items():
            if fetched:
                yield partition, fetched[0]

    def pop(self, partition: TopicPartition) -> FetchedRecord:
        """Remove a partition's first record; it is another partition's turn then."""
        fetched = self._of.pop(partition)
        first = fetched.popleft()
        if fetched:
            self._of[partition] = fetched
        return first

    def count(self, partition: TopicPartition) -> int:
        return len(self._of.get(partition, ()))

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._of.pop(partition, None)

    def decode(self, fetched: FetchedRecord) -> Record:
        """Read the trigger in a record. Raises MalformedTrigger."""
        if fetched.undecodable is not None:
            raise MalformedTrigger(fetched.undecodable)
        if fetched.raw.topic == self.topics.main:
            return self.earlier.mark(read_published(fetched, self.profile))
        return self.earlier.mark(read_parked(fetched))
