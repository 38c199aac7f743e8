"""Verdict: a trigger's outcome from its messages'."""

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
_GRAVITY = (Blame.MESSAGE, Blame.PEER, Blame.CREDENTIAL)

Answer = tuple[str, Outcome]  # a part's name, and what became of it


def combine(answers: Sequence[Answer]) -> Outcome:
    """Return Uncertain if one is, else Deferred, else Rejected, else Delivered.

    What was delivered is settled. What was refused is not: with others still open
    it would be forgotten once those are delivered, and a dead letter redriven
    after the repair would leave it out. SQS does not take what it refused, so to
    ask again does no harm.
    """
    parts = tuple(_part(name, outcome) for name, outcome in answers)
    outcomes = [outcome for _, outcome in answers]
    if uncertain := [one for one in outcomes if isinstance(one, Uncertain)]:
        return replace(uncertain[0], parts=parts)
    if deferred := [one for one in outcomes if isinstance(one, Deferred)]:
        gravest = max(deferred, key=lambda one: _GRAVITY.index(one.blame))
        hint = max(one.not_before for one in deferred)
        return replace(gravest, not_before=hint, parts=parts)
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
