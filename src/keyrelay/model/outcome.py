"""Outcomes: the four ways an attempt can end. There is no fifth."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never


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
    SCRIPT = "script"  # nothing: a script ended badly, and is run again
    RATE = "rate"  # the peer works, and takes fewer at once
    PEER = "peer"  # the peer is down or busy, for the next one as well
    CREDENTIAL = "credential"  # the peer refuses this version of the secret


class ReasonClass(StrEnum):
    """Why an attempt ended as it did, for lists and charts; each has exactly one."""

    DELIVERED = "delivered"
    LOCKED = "locked"  # the action's administrator wants that it does not act
    HELD = "held"  # back, before anything was sent: a pause, a limit, a lost lease
    DENIED = "denied"  # by a policy, or for want of one
    NO_DEFINITION = "no-definition"  # action or secret is missing, off or left out
    BAD_DEFINITION = "bad-definition"  # action or secret can send nothing as it stands
    BAD_TRIGGER = "bad-trigger"  # its data make no message
    UNSEALABLE = "unsealable"  # the secret does not open
    AUTHENTICATION = "authentication"  # the peer refused the credential
    THROTTLED = "throttled"  # the peer takes fewer at once
    REFUSED = "refused"  # the peer refused this message, for now or for good
    UNREACHABLE = "unreachable"  # no connection, TLS or answer, or a peer that is down
    SCRIPT = "script"  # it ended with a fault, was killed, or cannot run here
    UNCERTAIN = "uncertain"  # the peer may have it
    EXPIRED = "expired"  # its deadline passed
    CUT_SHORT = "cut-short"  # its attempts never came to an end
    INTERNAL = "internal"  # a bug of ours


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
    """The peer may have the message: no answer came after the last byte.

    `why` is told where it is something else that leaves the end unknown.
    """

    reason: str
    parts: tuple[Part, ...] = ()
    why: ReasonClass = ReasonClass.UNCERTAIN


@dataclass(frozen=True, slots=True)
class Rejected:
    """No later attempt can succeed until what is at `fault` has been changed.

    `why` is told where it is more than that the definition or the trigger is bad.
    """

    reason: str
    fault: Fault
    parts: tuple[Part, ...] = ()
    why: ReasonClass | None = None


Outcome = Delivered | Deferred | Uncertain | Rejected

_BLAMED = {
    Blame.MESSAGE: ReasonClass.REFUSED,
    Blame.SCRIPT: ReasonClass.SCRIPT,
    Blame.RATE: ReasonClass.THROTTLED,
    Blame.PEER: ReasonClass.UNREACHABLE,
    Blame.CREDENTIAL: ReasonClass.AUTHENTICATION,
}
_AT_FAULT = {
    Fault.DEFINITION: ReasonClass.BAD_DEFINITION,
    Fault.TRIGGER: ReasonClass.BAD_TRIGGER,
    Fault.SYSTEM: ReasonClass.INTERNAL,
}


def reason_class(outcome: Outcome) -> ReasonClass:
    """Return the one class of an outcome.

    What spends no attempt and blames no peer was held back here.
    """
    match outcome:
        case Delivered():
            return ReasonClass.DELIVERED
        case Deferred(blame=Blame.MESSAGE, spends_attempt=False):
            return ReasonClass.HELD
        case Deferred(blame=blame):
            return _BLAMED[blame]
        case Uncertain(why=why):
            return why
        case Rejected(fault=fault, why=told):
            return told or _AT_FAULT[fault]
        case _:
            assert_never(outcome)


LEASE_LOST = Deferred(
    "the lease was lost before anything was sent", spends_attempt=False
)

# Of a run's script that was under way, and was killed.
RUN_LOST = Deferred("the run was lost to another worker", spends_attempt=False)

# The peer's words on each part are in the records of the attempts before.
NOTHING_LEFT = Rejected(
    "nothing is left to send: every part was taken, or refused for good, before",
    Fault.TRIGGER,
)
