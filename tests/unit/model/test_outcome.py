from typing import get_args

import pytest

from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Rejected,
    Uncertain,
)


def test_there_are_four_outcomes_and_no_fifth() -> None:
    assert get_args(Outcome) == (Delivered, Deferred, Uncertain, Rejected)


def test_a_fault_is_in_the_definition_the_trigger_or_the_system() -> None:
    assert {fault.value for fault in Fault} == {"definition", "trigger", "system"}


def test_a_deferral_spends_an_attempt_and_blames_the_message_unless_told() -> None:
    deferred = Deferred("busy")

    assert deferred.spends_attempt
    assert deferred.blame is Blame.MESSAGE
    assert deferred.waits_for is None


@pytest.mark.parametrize(
    "outcome",
    [
        Delivered("ok"),
        Deferred("busy"),
        Uncertain("silence"),
        Rejected("no", Fault.SYSTEM),
    ],
)
def test_an_outcome_is_frozen(outcome: Outcome) -> None:
    with pytest.raises(AttributeError):
        setattr(outcome, "parts", ())  # noqa: B010 - mypy refuses it written plainly
