"""Drawn records: what came out of the buffer together, sorted by what is done next."""

from dataclasses import dataclass, field

from keyrelay.sources.kafka.records.record import FetchedRecord, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedRecord:
    """A record that holds no trigger, and why."""

    fetched: FetchedRecord
    reason: str


@dataclass(slots=True)
class Drawn:
    """`due` are to be claimed and attempted, `early` have to wait on in another topic,
    `malformed` go to the dead-letter topic."""

    due: list[Record] = field(default_factory=list)
    early: list[Record] = field(default_factory=list)
    malformed: list[MalformedRecord] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.due) + len(self.early) + len(self.malformed)
