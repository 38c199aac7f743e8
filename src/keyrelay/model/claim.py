"""Claims: which worker may attempt a trigger that a log delivers more than once.

A log has no leases: after a crash, a rebalance or a producer's retry the same trigger
arrives again. So a worker claims a trigger in the database before it attempts it.

A trigger's records are told apart by `generation`, which counts its redrives, and
`sequence`, which counts how often it was put back into the log for another attempt.
Only the record with the highest (generation, sequence) counts.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from keyrelay.model.backlog import NO_WAIT, TriggerWait
from keyrelay.model.recorded import CutLeases

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # before any attempt


class ClaimStatus(StrEnum):
    """The status of a trigger in the table of claims."""

    ACCEPTED = "accepted"  # it stands in the log, and no worker has read it
    CLAIMED = "claimed"  # a worker attempts it, or died while doing so
    PARKED = "parked"  # it waits for its next attempt
    HELD = "held"  # by a person
    CANCELLING = "cancelling"  # it is held until it is cancelled
    DONE = "done"
    BURIED = "buried"
    CANCELLED = "cancelled"


SETTLED = frozenset({ClaimStatus.DONE, ClaimStatus.BURIED, ClaimStatus.CANCELLED})
_HELD = frozenset({ClaimStatus.HELD, ClaimStatus.CANCELLING})


class Owner(StrEnum):
    """The worker that made a claim, as seen from this process."""

    OURS = "ours"
    ALIVE = "alive"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A record of a trigger in the log, and what it says of the attempts before it.

    `attempts` is their number; `cut` tells that at least one of them ended unsettled;
    `done` are the parts that they settled.
    """

    profile: str
    id: str
    generation: int = 0
    sequence: int = 0
    attempts: int = 0
    cut: bool = False
    done: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimState:
    """What the database knows of a trigger: its latest record, its status, its owner.

    While it is claimed, `arrival.attempts` counts the attempt under way. `claimed_at`
    is when the first record of its generation was claimed; None, that is not known.
    """

    arrival: Arrival
    status: ClaimStatus
    owner: Owner
    claimed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """The caller may attempt the trigger, as attempt `number`, counting from 1.

    `cut` and `done` are as in Arrival, `claimed_at` as in ClaimState. `claimed_at` and
    `unsettled` are None where it is not known since when the trigger is claimed.
    """

    number: int
    cut: bool
    done: frozenset[str]
    unsettled: CutLeases | None = field(default=None, compare=False)
    claimed_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Known:
    """The trigger was settled, or a later record of it counts: pass over this one."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker, which is alive, attempts the trigger: ask again later."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A person holds the trigger: put the record back, and ask again later."""


Judgement = Go | Known | Busy | Withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a claim ends: the new status, and what is then known of the trigger.

    `wait` says why a parked trigger waits, and for which secret.
    """

    claimed: Arrival
    status: ClaimStatus
    then: Arrival
    wait: TriggerWait = NO_WAIT


def judge(arrival: Arrival, state: ClaimState | None) -> Judgement:
    """Decide whether the trigger of an arriving record may be attempted.

    The caller must not ask about a trigger that it attempts at this moment. A claim
    of its own is therefore one whose reply was lost: no attempt followed it.
    """
    if state is None:
        return _go(arrival)
    known = state.arrival
    if state.status is ClaimStatus.CANCELLED:
        return Known()  # whichever of its records that is: the person saw none
    if state.status in SETTLED:
        return _go(arrival) if arrival.generation > known.generation else Known()
    if (arrival.generation, arrival.sequence) < (known.generation, known.sequence):
        return Known()
    if state.status in _HELD:
        return Withheld()
    if state.status is ClaimStatus.CLAIMED and state.owner is Owner.ALIVE:
        return Busy()
    earlier = _earlier_attempts(state, arrival)
    go = _go(_completed(arrival, earlier))
    if arrival.generation > known.generation:
        return go  # redriven: what is on record was before that
    unsettled = _cut_leases(state, earlier) if go.cut else None
    return replace(go, unsettled=unsettled, claimed_at=state.claimed_at)


def claimed(arrival: Arrival, go: Go) -> Arrival:
    """Return the record as it is written when it is claimed for that attempt."""
    return replace(arrival, attempts=go.number, cut=go.cut, done=go.done)


def _go(arrival: Arrival) -> Go:
    return Go(number=arrival.attempts + 1, cut=arrival.cut, done=arrival.done)


def _earlier_attempts(state: ClaimState, arrival: Arrival) -> Arrival:
    """Return what is known of the earlier attempts, now that none is under way."""
    known = state.arrival
    if state.status in (ClaimStatus.ACCEPTED, ClaimStatus.PARKED):
        return known
    if state.owner is Owner.OURS:
        return replace(known, attempts=known.attempts - 1)
    return replace(known, cut=not _was_put_back_by(arrival, known))


def _cut_leases(state: ClaimState, earlier: Arrival) -> CutLeases:
    taken_over = state.status is ClaimStatus.CLAIMED and state.owner is Owner.DEAD
    since = state.claimed_at or EARLIEST
    return CutLeases(since=since, is_last=taken_over and earlier.cut)


def _was_put_back_by(arrival: Arrival, known: Arrival) -> bool:
    """Tell whether the claimed attempt itself put this record back into the log.

    A worker that dies after putting it back and before ending its claim leaves such a
    record. One that counts fewer attempts is older: it was put back by a worker whose
    claim was taken over since.
    """
    follows = (
        arrival.generation == known.generation and arrival.sequence > known.sequence
    )
    return follows and arrival.attempts >= known.attempts


def _completed(arrival: Arrival, known: Arrival) -> Arrival:
    """Return the record, completed by what the database knows of the trigger.

    A redriven trigger counts its attempts anew.
    """
    new = arrival.generation > known.generation
    return replace(
        arrival,
        attempts=arrival.attempts if new else max(arrival.attempts, known.attempts),
        cut=arrival.cut or known.cut,
        done=arrival.done | known.done,
    )
