"""Audit: what is recorded of each attempt and each change, safe to show an auditor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keyrelay.model.action import Channel
from keyrelay.model.outcome import Outcome
from keyrelay.model.settlement import STANDARD, Schedule, Settlement
from keyrelay.model.templates import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an attempt was about: how it acts, with which secret, decided by what."""

    channel: Channel | None = None
    secret: str | None = None
    secret_version: int | None = None
    policy: str | None = None
    missing: tuple[Fact, ...] = ()


NOTHING_USED = Evidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An attempt's outcome, what it used to get there, and when to try again.

    What was `held` back was no attempt, and leaves no record.
    """

    outcome: Outcome
    evidence: Evidence = NOTHING_USED
    schedule: Schedule = STANDARD
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Which attempt at what. `repeats` says that an earlier lease was cut short,
    so that the receiver may already have the message."""

    profile: str
    trigger: str
    action: str
    number: int
    repeats: bool
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """Names the trigger but never carries its data or any secret."""

    id: str
    tried: Try
    report: Report
    settlement: Settlement
    at: datetime


class Change(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    DELETED = "deleted"
    REDRIVEN = "redriven"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """`actor` changed the thing of that `noun` ("secret", "policy", "key", …)."""

    id: str
    actor: str
    profile: str
    subject: str
    noun: str
    change: Change
    detail: str
    at: datetime


AuditRecord = AttemptRecord | ChangeRecord
