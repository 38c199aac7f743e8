"""Audit: records of attempts, changes and releases, none of which holds a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
    reason_class,
)
from keyrelay.model.release import RunPlace
from keyrelay.model.settlement import STANDARD, Schedule, Settlement
from keyrelay.model.templates import Fact

_WORDS: Mapping[type[Outcome], str] = {
    Delivered: "delivered",
    Deferred: "deferred",
    Uncertain: "uncertain",
    Rejected: "rejected",
}
_LOCKED = "locked"
RESULTS = (*_WORDS.values(), _LOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an attempt used: its channel, the secret's id and version, the policy's id.

    `missing` are facts that the message asked for and the trigger did not have;
    `replaced` names the action's texts in which characters could not be sent. All are
    empty if the attempt ended before they were known.
    """

    channel: str | None = None
    secret: str | None = None
    secret_version: int | None = None
    policy: str | None = None
    missing: tuple[Fact, ...] = ()
    replaced: tuple[str, ...] = ()


NOTHING_USED = Evidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An attempt's outcome, what it used, and the schedule of its action's retries.

    A trigger that was `held` back was not attempted, and leaves no record. That of a
    `locked` action is done, as its administrator wants it, and nothing was delivered.
    What was `lost` to another process is concluded there, and nothing of it here.
    """

    outcome: Outcome
    evidence: Evidence = NOTHING_USED
    schedule: Schedule = STANDARD
    held: bool = False
    locked: bool = False
    lost: bool = False

    @property
    def result(self) -> str:
        """The outcome in a word, for records and metrics; `locked` is no delivery."""
        return _LOCKED if self.locked else _WORDS[type(self.outcome)]

    @property
    def reason_class(self) -> ReasonClass:
        return ReasonClass.LOCKED if self.locked else reason_class(self.outcome)


LOCKED = Report(outcome=Delivered("the action is locked and does not act"), locked=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIdentity:
    """Which attempt at which trigger; `number` counts from 1.

    `repeats` says that an earlier lease ended unsettled, so that the receiver may
    already have the message.
    """

    profile: str
    trigger: str
    action: str
    number: int
    repeats: bool
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt. It names the trigger, and never holds its data or a secret."""

    id: str
    attempt: AttemptIdentity
    report: Report
    settlement: Settlement
    at: datetime


class Change(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    ACCEPTED = "accepted"
    RESTORED = "restored"
    DELETED = "deleted"
    REDRIVEN = "redriven"
    DROPPED = "dropped"
    HELD = "held"
    RELEASED = "released"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    STARTED = "started"
    REVEALED = "revealed"  # nothing is changed; a plaintext was shown
    CALLED = "called"  # nothing is changed; a script had something sent, or tried to
    BURIED = "buried"  # by a worker, unread; an attempt's record tells of all others


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """One change: `actor` changed the `noun` ("secret", "key") of the id `subject`.

    `detail` is a sentence for people, without any value. `generation` is that of the
    profile's definitions after the change.
    """

    id: str
    actor: str
    profile: str
    subject: str
    noun: str
    change: Change
    detail: str
    at: datetime
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Which run of which analysis, and where it is."""

    profile: str
    run: str
    analysis: str
    place: RunPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The ids of a secret and of the policy by which its value is given away."""

    secret: str
    version: int
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """The value of one secret was released to a run."""

    id: str
    to: RunIdentity
    released: Released
    at: datetime


AuditRecord = AttemptRecord | ChangeRecord | ReleaseRecord
