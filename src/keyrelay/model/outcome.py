"""Outcomes: the four ways an attempt can end. There is no fifth."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Fault(StrEnum):
    """What must change before the same trigger can succeed."""

    DEFINITION = "definition"  # a definition, by the administrator
    TRIGGER = "trigger"  # the trigger, by its producer
    SYSTEM = "system"  # Keyrelay or the peer


class Blame(StrEnum):
    """What a deferral means for the next trigger that uses the same secret.

    The least serious comes first.
    """

    MESSAGE = "message"  # nothing: it was about this message
    RATE = "rate"  # the peer works, and takes fewer at once
    PEER = "peer"  # the peer is down or busy, for the next one as well
    CREDENTIAL = "credential"  # the peer refuses this version of the secret


@dataclass(frozen=True, slots=True)
class Part:
    """One recipient of a mail or one queue message, and what the peer said of it.

    A trigger may have many. A `settled` part needs no further attempt: the peer took
    it, or refused it for good.
    """

    name: str
    answer: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """The peer took responsibility for the message (RFC 5321 section 4.2.5, for mail).

    `receipt` is the peer's reply or its id for the message.
    """

    receipt: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """The peer did not take what was left; a later attempt may succeed.

    `not_before` is the shortest time until then. A trigger that was held back (by a
    rate limit or a paused secret) spends no attempt. `waits_for` is the id of a secret
    whose replacement ends the wait early.
    """

    reason: str
    not_before: timedelta = timedelta()
    spends_attempt: bool = True
    blame: Blame = Blame.MESSAGE
    waits_for: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The peer may have the message: no answer came after the last byte."""

    reason: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """No later attempt can succeed until what is at `fault` has been changed."""

    reason: str
    fault: Fault
    parts: tuple[Part, ...] = ()


Outcome = Delivered | Deferred | Uncertain | Rejected

LEASE_LOST = Deferred(
    "the lease was lost before anything was sent", spends_attempt=False
)

# The peer's words on each part are in the records of the attempts before.
NOTHING_LEFT = Rejected(
    "nothing is left to send: every part was taken, or refused for good, before",
    Fault.TRIGGER,
)
