"""Recorded attempts: what the audit trail says of the leases that ended unsettled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain


@dataclass(frozen=True, slots=True, kw_only=True)
class CutLeases:
    """Earlier leases of a trigger that ended unsettled, by a crash for example.

    `since` is when the trigger was accepted, redriven or first claimed. `is_last` tells
    whether the lease just before was one of them.
    """

    since: datetime
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """An attempt on record, and how its trigger was to be settled."""

    started_at: datetime
    ended_at: datetime
    settlement: Settlement


def settlement_on_record(
    attempts: Sequence[RecordedAttempt],
    unsettled: CutLeases,
    done: frozenset[str],
    now: datetime,
) -> Settlement | None:
    """Decide how a trigger is settled by its recorded attempts, the oldest first.

    None, it is to be attempted. `done` are the parts that are known to be settled. An
    end on record counts whichever lease it is of: a process that was stopped may write
    its record long after its lease was lost. A record of another try to come counts
    only if the last lease was cut; after any other lease the queue has it already.
    """
    for attempt in attempts:
        if not isinstance(attempt.settlement, Done):
            done |= attempt.settlement.done
    waits = None
    for attempt in reversed(attempts):
        match attempt.settlement:
            case Done():
                return attempt.settlement
            case Bury():
                return replace(attempt.settlement, done=done)
            case TryAgain():
                waits = waits or _rest_of(attempt.settlement, now - attempt.ended_at)
            case _:
                assert_never(attempt.settlement)
    return replace(waits, done=done) if waits and unsettled.is_last else None


def _rest_of(again: TryAgain, since: timedelta) -> TryAgain:
    """Return what is left of a wait; the lease that reads it makes no attempt."""
    # The secret may have been replaced while no process could see it.
    after = timedelta() if again.waits_for else max(again.after - since, timedelta())
    return replace(again, after=after, spent=False)
