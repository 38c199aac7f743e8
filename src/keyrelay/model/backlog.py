"""Backlog: where triggers stand in a queue, and how much there is to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class TriggerState(StrEnum):
    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    BURIED = "buried"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """Where a trigger stands. `due` is empty behind another of its key, and once
    it is settled; `attempts` counts the one under way."""

    state: TriggerState
    attempts: int
    accepted_at: datetime
    due: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """`due` are those a lane could have now, and `age` is for how long the first of
    them could have been had. A lease that expired is `leased` until it is lent
    again, and due."""

    waiting: int
    due: int
    leased: int
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """What waits in one topic, as far as this process is the one to do it; `age` is
    how long the first of it has been waiting."""

    topic: str
    waiting: int
    age: timedelta
