"""Backlog: where triggers stand in a queue, and how much there is to do."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.model.trigger import Trigger


class TriggerState(StrEnum):
    """Where a trigger stands in its queue."""

    WAITING = "waiting"  # for its first attempt
    RETRYING = "retrying"  # it waits for another attempt
    HELD = "held"  # by a person
    CANCELLING = "cancelling"  # it is held until it is cancelled
    LEASED = "leased"
    DONE = "done"
    BURIED = "buried"
    CANCELLED = "cancelled"


DUE_IN_TIME = (TriggerState.WAITING, TriggerState.RETRYING)
UNSETTLED = (
    *DUE_IN_TIME,
    *(TriggerState.HELD, TriggerState.CANCELLING, TriggerState.LEASED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerWait:
    """When a trigger is due, and why not before.

    `due` is None while it waits behind another trigger of its key or is held, and once
    it is settled. `secret` is the id of the secret whose replacement ends the wait.
    """

    due: datetime | None = None
    reason: str | None = None
    secret: str | None = None


NO_WAIT = TriggerWait()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """Where a trigger stands; `attempts` counts the one under way.

    `trigger` is None where the queue keeps no copy, or it is settled; `accepted_at`,
    where that cannot be read.
    """

    state: TriggerState
    attempts: int
    accepted_at: datetime | None
    wait: TriggerWait = NO_WAIT
    settled_at: datetime | None
    trigger: Trigger | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A trigger in a list; `action` and `key` are None where they are not known.

    A list goes on after its `place`, whatever becomes of the trigger meanwhile.
    """

    id: str
    action: str | None
    key: str | None
    status: QueueStatus
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBacklog:
    """How many records of a partition are not settled, and since when the oldest waits.

    `oldest` is None where it could not be read.
    """

    topic: str
    partition: int
    waiting: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` to the last moment before `until`; None, without an end."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, instant: datetime | None) -> bool:
        """Tell whether it is within; what is not known is within no end."""
        if instant is None:
            return self == ALWAYS
        return (self.since is None or self.since <= instant) and (
            self.until is None or instant < self.until
        )


ALWAYS = Period()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueQuery:
    """Which unsettled triggers of a profile; what is None does not matter.

    `secret` is the id of one for which they wait, or that one of the `users` uses,
    which are ids of actions. `reason` stands in theirs, in whatever letter case.
    `accepted` is when they were accepted, or first claimed.
    """

    state: TriggerState | None = None
    action: str | None = None
    secret: str | None = None
    users: frozenset[str] = frozenset()
    reason: str | None = None
    accepted: Period = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many triggers wait for all workers together.

    `due` counts those that a lane could lease now, and `age` is how long the oldest of
    them has been due. A trigger whose lease expired counts as `leased` and as `due`
    until it is leased again.
    """

    waiting: int
    due: int
    leased: int
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """What waits in one topic, in the partitions that this process reads.

    `age` is how long the first of it has been waiting.
    """

    topic: str
    waiting: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that reading stepped over, from `first` to the one before `end`."""

    topic: str
    partition: int
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLosses:
    """What this process found in topics and could not read, by topic.

    `unreadable` are records that hold no trigger; `lost`, those that were deleted
    before they were read. Whether there were any in `gaps` is not known yet.
    """

    unreadable: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
