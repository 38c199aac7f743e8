"""Jobs: long work that is kept, so that any process can begin it or go on with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from keyrelay.model.documents import InvalidDefinition

LOWEST_RATE, HIGHEST_RATE = 0.01, 10_000  # letters per second


class JobKind(StrEnum):
    """What is done: to dead letters that match a query, or to the audit trail."""

    REDRIVE = "redrive"
    DROP = "drop"
    VERIFY = "verify"


class JobState(StrEnum):
    WAITING = "waiting"  # for a process that runs it
    RUNNING = "running"
    CANCELLING = "cancelling"  # it ends after what it is doing this moment
    DONE = "done"
    FAILED = "failed"  # the job's message says why
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class RowState(StrEnum):
    """What became of one row of a job."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"  # the result's reason says why nothing was done
    BROKEN = "broken"  # a finding of a verification


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What `actor` asks for; without a profile, for the whole installation.

    `query` says in JSON which letters, as they are when the job begins; `rate` is how
    many of them a second at most. A verification has neither.
    """

    kind: JobKind
    profile: str | None
    actor: str
    query: Mapping[str, object] = field(default_factory=dict)
    rate: float | None = None

    def __post_init__(self) -> None:
        """Raise InvalidDefinition for what no job does."""
        if self.kind is JobKind.VERIFY:
            if self.query or self.rate is not None:
                raise InvalidDefinition("a verification has neither filter nor rate")
        elif self.profile is None:
            raise InvalidDefinition("dead letters are redriven or dropped in a profile")
        elif self.rate is not None and not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise InvalidDefinition(
                f"rate must be a number of letters per second from {LOWEST_RATE} to"
                f" {HIGHEST_RATE}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job has got. `message` is a sentence for people.

    Letters: how many were chosen, acted on and refused. A verification of the whole
    installation: the records (total, done) and the findings (refused). Of a profile,
    which learns nothing of other profiles' records, `refused` counts its own findings.
    `sound` is a verification's answer, once there is one.
    """

    total: int = 0
    done: int = 0
    refused: int = 0
    sound: bool | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: str
    order: JobOrder
    state: JobState
    times: JobTimes
    progress: JobProgress = field(default_factory=JobProgress)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One row of a job, numbered from 1, and what became of it.

    `subject` is the id of a letter's trigger, or of an audit record; empty where a
    finding is about none.
    """

    number: int
    subject: str
    state: RowState
    reason: str | None = None
