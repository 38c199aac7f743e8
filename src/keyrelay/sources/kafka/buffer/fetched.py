"""Fetched records: bytes that no lane has asked for yet, decoded when one does."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

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
class FetchedRecords:
    """Each partition's records in the order of their offsets.

    Partitions take turns: one that gave a record is the last to give the next. Triggers
    that name no profile belong to `profile`; those without an id may have a former one.
    """

    topics: Topics
    profile: str | None
    former_ids: FormerIds
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
            return read_published(fetched, self.profile)
        return read_parked(fetched)
