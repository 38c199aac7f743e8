"""Settlement: what becomes of a trigger once its attempt has an outcome."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)

LONGEST_HINT = timedelta(days=1)  # as long as a provider's quota for a day
LONGEST_JITTER = timedelta(hours=1)
# No wait is longer. What seems to be due later was written while a clock was ahead.
LONGEST_WAIT = LONGEST_HINT + LONGEST_JITTER
SHORTEST_UNSPENT = timedelta(seconds=1)
# How long before the deadline the last attempt comes that spends none.
LAST_CALL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Done:
    """The trigger is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The trigger goes back to the queue for `after`; `done` parts are left out then.

    `spent` tells whether the attempt counts. The wait ends early when the secret
    `waits_for` is replaced. `reason` is shown with the queue.
    """

    after: timedelta
    spent: bool = True
    waits_for: str | None = None
    done: frozenset[str] = frozenset()
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """The trigger becomes a dead letter; a redrive leaves out the `done` parts."""

    reason: str
    fault: Fault
    done: frozenset[str] = frozenset()


Settlement = Done | TryAgain | Bury


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Waits that double from `first` up to `longest`, for `attempts` in all.

    Raises ValueError for less than one attempt, or unless 0 < first <= longest.
    """

    attempts: int
    first: timedelta
    longest: timedelta

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("a schedule needs at least one attempt")
        if not timedelta() < self.first <= self.longest:
            raise ValueError("a schedule needs 0 < first <= longest")

    def wait_after(self, attempt: int) -> timedelta | None:
        """Return the upper bound of the wait after that attempt, counting from 1.

        None after the last one.
        """
        if attempt >= self.attempts:
            return None
        doubled = 1 << (attempt - 1)
        # Compared before it is multiplied: a timedelta overflows, an int does not.
        if doubled > self.longest // self.first:
            return self.longest
        return self.first * doubled


STANDARD = Schedule(
    attempts=10, first=timedelta(seconds=5), longest=timedelta(minutes=15)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt, as far as `settle` needs to know it.

    `number` counts from 1; `done` are the parts that earlier attempts settled;
    `chance` is a random number in [0, 1).
    """

    number: int
    ended_at: datetime
    deadline: datetime
    chance: float
    done: frozenset[str] = frozenset()


def settle(outcome: Outcome, attempt: Attempt, schedule: Schedule) -> Settlement:
    """Decide what becomes of the trigger.

    Exponential back-off with full jitter: AWS Architecture Blog, "Exponential Backoff
    And Jitter" (2015). A hint of the peer is honoured up to LONGEST_HINT. A wait that
    would end after the deadline buries the trigger, but for what spent no attempt: it
    is tried once more LAST_CALL before the deadline.
    """
    done = attempt.done | {part.name for part in outcome.parts if part.settled}
    match outcome:
        case Delivered():
            return Done()
        case Rejected(reason, fault):
            return Bury(reason=reason, fault=fault, done=done)
        case Deferred(reason, hint, spends_attempt=False, waits_for=secret):
            again = TryAgain(
                after=_unspent_wait(hint, attempt),
                spent=False,
                waits_for=secret,
                done=done,
                reason=reason,
            )
            return _in_time(again, attempt)
        case Deferred(reason, hint):
            return _again_or_bury(schedule, attempt, _bounded(hint), reason, done)
        case Uncertain(reason):
            return _again_or_bury(schedule, attempt, timedelta(), reason, done)
        case _:
            assert_never(outcome)


def _again_or_bury(
    schedule: Schedule,
    attempt: Attempt,
    hint: timedelta,
    reason: str,
    done: frozenset[str],
) -> TryAgain | Bury:
    longest = schedule.wait_after(attempt.number)
    if longest is None:
        return Bury(reason=reason, fault=Fault.SYSTEM, done=done)
    after = max(longest * attempt.chance, hint)
    return _in_time(TryAgain(after=after, done=done, reason=reason), attempt)


def _unspent_wait(hint: timedelta, attempt: Attempt) -> timedelta:
    # Never zero: nothing else slows a loop that spends no attempts. Jitter, so that not
    # all held triggers come back at the same moment.
    wait = max(_bounded(hint), SHORTEST_UNSPENT)
    wait += min(wait / 4, LONGEST_JITTER) * attempt.chance
    last = attempt.deadline - attempt.ended_at - LAST_CALL
    return min(wait, last) if last >= SHORTEST_UNSPENT else wait


def _in_time(again: TryAgain, attempt: Attempt) -> TryAgain | Bury:
    if again.after <= attempt.deadline - attempt.ended_at:
        return again
    return Bury(
        reason=f"no attempt is left before the deadline; the last one: {again.reason}",
        fault=Fault.SYSTEM,
        done=again.done,
    )


def _bounded(hint: timedelta) -> timedelta:
    return max(timedelta(), min(hint, LONGEST_HINT))
