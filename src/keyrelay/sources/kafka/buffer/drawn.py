"""Takings: what comes off the shelf at once, sorted by what is to be done with it."""

from dataclasses import dataclass, field

from keyrelay.sources.kafka.records.record import Fetched, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that is no trigger, and why."""

    fetched: Fetched
    reason: str


@dataclass(slots=True)
class Drawn:
    """What was taken off the shelf: triggers to be attempted, those that are to wait
    on in another topic, and what is no trigger."""

    due: list[Record] = field(default_factory=list)
    early: list[Record] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.due) + len(self.early) + len(self.unreadable)
