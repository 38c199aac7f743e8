"""Claims: who may attempt a trigger of which a log may bring more than one record.

A log lends nothing: after a crash, a rebalance or a producer's retry the same trigger
arrives again. A worker claims a trigger before it attempts it. A trigger's records are
told apart by `generation`, which counts its redrives, and `sequence`, which counts how
often it was put back into the log to be tried again; only the latest one counts.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class ClaimStatus(StrEnum):
    """What stands written about a trigger."""

    CLAIMED = "claimed"  # somebody attempts it, or died while doing so
    PARKED = "parked"  # it waits for its next attempt
    DONE = "done"
    BURIED = "buried"


SETTLED = frozenset({ClaimStatus.DONE, ClaimStatus.BURIED})


class Owner(StrEnum):
    """Whose a claim is."""

    OURS = "ours"
    ALIVE = "alive"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A record of a trigger, and what it says of the attempts before it.

    `cut` is whether any of them ended unsettled, `done` the parts that they settled.
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
    """What is written about a trigger: the last record that counted, and its hold.

    Of what is claimed, `arrival.attempts` counts the one under way.
    """

    arrival: Arrival
    status: ClaimStatus
    owner: Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """It is ours to attempt, as the attempt `number`; `cut` as in Arrival."""

    number: int
    cut: bool
    done: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
    """It was settled, or a later record of it counts: this one is done with."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody who lives attempts it: look again later."""


Judgement = Go | Known | Busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What becomes of a claim: `hold`, and what is known of the trigger `then`."""

    claimed: Arrival
    status: ClaimStatus
    then: Arrival


def judge(arrival: Arrival, state: ClaimState | None) -> Judgement:
    """Decide what an arriving record is good for.

    That we attempt the trigger at this moment is for the caller to know: what stands
    here as ours was claimed by a call of which we never heard the end.
    """
    if state is None:
        return _go(arrival)
    known = state.arrival
    if state.status in SETTLED:
        return _go(arrival) if arrival.generation > known.generation else Known()
    if (arrival.generation, arrival.sequence) < (known.generation, known.sequence):
        return Known()
    if state.status is ClaimStatus.CLAIMED and state.owner is Owner.ALIVE:
        return Busy()
    return _go(_joined(arrival, _left(state, arrival)))


def claimed(arrival: Arrival, go: Go) -> Arrival:
    """Return what is to be written of a record that we may attempt."""
    return replace(arrival, attempts=go.number, cut=go.cut, done=go.done)


def _go(arrival: Arrival) -> Go:
    return Go(number=arrival.attempts + 1, cut=arrival.cut, done=arrival.done)


def _left(state: ClaimState, arrival: Arrival) -> Arrival:
    """Return what is known of the attempts so far, of which none is under way."""
    known = state.arrival
    if state.status is ClaimStatus.PARKED:
        return known
    if state.owner is Owner.OURS:
        return replace(known, attempts=known.attempts - 1)
    return replace(known, cut=not _tells_of(arrival, known))


def _tells_of(arrival: Arrival, known: Arrival) -> bool:
    """Whether the record was put back by the very attempt that is claimed.

    Whoever died between putting it back and writing so leaves such a record. One that
    counts fewer attempts is older: that of somebody else, whose claim was taken over.
    """
    follows = (
        arrival.generation == known.generation and arrival.sequence > known.sequence
    )
    return follows and arrival.attempts >= known.attempts


def _joined(arrival: Arrival, known: Arrival) -> Arrival:
    """Return the record with what it does not say itself; a new life counts anew."""
    new = arrival.generation > known.generation
    return replace(
        arrival,
        attempts=arrival.attempts if new else max(arrival.attempts, known.attempts),
        cut=arrival.cut or known.cut,
        done=arrival.done | known.done,
    )
