"""Outcomes: the outcome of a trigger from those of its messages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)

_LONGEST_RECEIPT = 200
_BY_SERIOUSNESS = tuple(Blame)

PartOutcome = tuple[str, Outcome]  # a part's name, and the outcome for it


def combine(outcomes_of_parts: Sequence[PartOutcome]) -> Outcome:
    """Return Uncertain if one is, else Deferred, else Rejected, else Delivered.

    A delivered part is settled. A rejected one is not: if it were, a trigger whose
    other parts are delivered later would count as delivered, and a redrive after the
    repair would leave it out. To send it again is harmless, as SQS has not stored it.
    """
    parts = tuple(_part(name, outcome) for name, outcome in outcomes_of_parts)
    outcomes = [outcome for _, outcome in outcomes_of_parts]
    if uncertain := [one for one in outcomes if isinstance(one, Uncertain)]:
        return replace(uncertain[0], parts=parts)
    if deferred := [one for one in outcomes if isinstance(one, Deferred)]:
        most_serious = max(deferred, key=lambda one: _BY_SERIOUSNESS.index(one.blame))
        hint = max(one.not_before for one in deferred)
        return replace(most_serious, not_before=hint, parts=parts)
    if rejected := [one for one in outcomes if isinstance(one, Rejected)]:
        return replace(rejected[0], parts=parts)
    receipts = [one.receipt for one in outcomes if isinstance(one, Delivered)]
    return Delivered(_receipt(receipts), parts)


def _part(name: str, outcome: Outcome) -> Part:
    match outcome:
        case Delivered(receipt):
            return Part(name, receipt, settled=True)
        case Deferred(reason) | Uncertain(reason) | Rejected(reason):
            return Part(name, reason, settled=False)
        case _:
            assert_never(outcome)


def _receipt(receipts: Sequence[str]) -> str:
    listed = " ".join(receipts)
    if len(listed) <= _LONGEST_RECEIPT:
        return listed
    return f"{receipts[0]} and {len(receipts) - 1} more"
