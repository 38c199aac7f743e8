"""Intervention: what is in flight or settled is left alone, whatever a person asks."""

import pytest

from keyrelay.model.backlog import UNSETTLED, TriggerState
from keyrelay.model.intervention import Act, ActEffect, judge

SETTLED = frozenset(TriggerState) - frozenset(UNSETTLED)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", sorted(SETTLED))
def test_what_is_settled_is_never_changed(act: Act, state: TriggerState) -> None:
    assert judge(act, state) is not ActEffect.APPLIED


@pytest.mark.parametrize("act", Act)
def test_what_is_in_flight_is_never_changed(act: Act) -> None:
    assert judge(act, TriggerState.LEASED) is not ActEffect.APPLIED


@pytest.mark.parametrize("act", [Act.HOLD, Act.CANCEL, Act.RETRY])
def test_for_what_is_in_flight_it_is_too_late(act: Act) -> None:
    assert judge(act, TriggerState.LEASED) is ActEffect.TOO_LATE


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (Act.HOLD, TriggerState.HELD),
        (Act.RELEASE, TriggerState.WAITING),
        (Act.RELEASE, TriggerState.RETRYING),
        (Act.RELEASE, TriggerState.LEASED),
        (Act.CANCEL, TriggerState.CANCELLED),
    ],
)
def test_to_ask_twice_is_no_fault(act: Act, state: TriggerState) -> None:
    assert judge(act, state) is ActEffect.ALREADY


@pytest.mark.parametrize(
    "state", [TriggerState.WAITING, TriggerState.RETRYING, TriggerState.HELD]
)
def test_what_waits_or_is_held_can_be_cancelled(state: TriggerState) -> None:
    assert judge(Act.CANCEL, state) is ActEffect.APPLIED


@pytest.mark.parametrize("act", [Act.HOLD, Act.RELEASE, Act.RETRY])
def test_a_cancellation_that_was_cut_short_can_only_be_ended(act: Act) -> None:
    assert judge(act, TriggerState.CANCELLING) is ActEffect.IMPOSSIBLE
    assert judge(Act.CANCEL, TriggerState.CANCELLING) is ActEffect.APPLIED
