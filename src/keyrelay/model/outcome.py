"""Outcomes: the four ways an attempt can end. There is no fifth."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Fault(StrEnum):
    """Who must change something before the same trigger can succeed."""

    DEFINITION = "definition"  # the administrator
    TRIGGER = "trigger"  # the producer
    SYSTEM = "system"  # we, or the peer


class Blame(StrEnum):
    """What a deferral says about the next trigger that uses the same secret."""

    MESSAGE = "message"  # nothing: it was about this message
    PEER = "peer"  # the peer is down or busy: the next will meet the same
    CREDENTIAL = "credential"  # the peer refuses this version of the secret


@dataclass(frozen=True, slots=True)
class Part:
    """One recipient of a mail or one queue message, and what the peer said of it.

    A trigger may have many. `settled` parts need no further attempt, whether the
    peer took them or refused them for good.
    """

    name: str
    answer: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took responsibility; `receipt` is its name for the message."""

    receipt: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """What is left was not taken; a later attempt, after `not_before`, may succeed.

    What was nobody's attempt (a rate limit, a paused secret) spends none.
    `waits_for` is the id of a secret whose replacement ends the wait early.
    """

    reason: str
    not_before: timedelta = timedelta()
    spends_attempt: bool = True
    blame: Blame = Blame.MESSAGE
    waits_for: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The receiver may have it: the line went dead after we finished sending."""

    reason: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """No later attempt can succeed until whoever is at fault changes something."""

    reason: str
    fault: Fault
    parts: tuple[Part, ...] = ()


Outcome = Delivered | Deferred | Uncertain | Rejected
