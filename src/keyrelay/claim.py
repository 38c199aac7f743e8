"""Claims: who may attempt a trigger of which a log may bring more than one record.

A log lends nothing: after a crash, a rebalance or a producer's retry the same trigger
arrives again. Whoever wants to attempt it claims it first. A trigger's records are
told apart by `life`, which counts its redrives, and `turn`, which counts how often it
was put back into the log to be tried again; only the latest one counts.
"""

from dataclasses import dataclass
from enum import StrEnum


class Hold(StrEnum):
    """What stands written about a trigger."""

    CLAIMED = "claimed"  # somebody attempts it, or died while doing so
    PARKED = "parked"  # it waits for its next attempt
    DONE = "done"
    BURIED = "buried"


SETTLED = frozenset({Hold.DONE, Hold.BURIED})


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
    life: int = 0
    turn: int = 0
    attempts: int = 0
    cut: bool = False
    done: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is written about a trigger: the last record that counted, and its hold.

    Of what is claimed, `arrival.attempts` counts the one under way.
    """

    arrival: Arrival
    hold: Hold
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


Verdict = Go | Known | Busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What becomes of a claim: `hold`, and what is known of the trigger `then`."""

    claimed: Arrival
    hold: Hold
    then: Arrival


def judge(arrival: Arrival, standing: Standing | None) -> Verdict:
    """Decide what an arriving record is good for.

    That we attempt the trigger at this moment is for the caller to know: what stands
    here as ours was claimed by a call of which we never heard the end.
    """
    if standing is None:
        return _first(arrival)
    known = standing.arrival
    if standing.hold in SETTLED:
        return _first(arrival) if arrival.life > known.life else Known()
    if (arrival.life, arrival.turn) < (known.life, known.turn):
        return Known()
    if standing.hold is Hold.CLAIMED and standing.owner is Owner.ALIVE:
        return Busy()
    if (arrival.life, arrival.turn) > (known.life, known.turn):
        return _first(arrival)
    return _once_more(standing)


def _first(arrival: Arrival) -> Go:
    return Go(number=arrival.attempts + 1, cut=arrival.cut, done=arrival.done)


def _once_more(standing: Standing) -> Go:
    """Go on where the last who had this very record left off."""
    known = standing.arrival
    if standing.hold is Hold.PARKED:
        return _first(known)
    if standing.owner is Owner.OURS:
        return Go(number=known.attempts, cut=known.cut, done=known.done)
    return Go(number=known.attempts + 1, cut=True, done=known.done)
