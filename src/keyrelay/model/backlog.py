"""Backlog: where triggers stand in a queue, and how much there is to do."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.model.trigger import Trigger


class TriggerState(StrEnum):
    """Where a trigger stands in its queue."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    BURIED = "buried"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """Where a trigger stands; `attempts` counts the one under way.

    `due` is None while it waits behind another trigger of its key, and once it is
    settled. `trigger` is None where the queue keeps no copy, or it is settled.
    """

    state: TriggerState
    attempts: int
    accepted_at: datetime
    due: datetime | None
    settled_at: datetime | None
    trigger: Trigger | None = field(default=None, compare=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLosses:
    """What this process found in topics and could not read, by topic.

    `unreadable` are records that hold no trigger; `lost`, those that were deleted
    before they were read.
    """

    unreadable: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
