"""Jobs: what can be ordered, and which states are the last."""

from dataclasses import replace

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.job import JobKind, JobOrder, JobState
from tests.samples import PROFILE

REDRIVE = JobOrder(kind=JobKind.REDRIVE, profile=PROFILE, actor="ada")
VERIFY = replace(REDRIVE, kind=JobKind.VERIFY)


@pytest.mark.parametrize("rate", [0.01, 1, 10_000, None])
def test_a_rate_is_within_its_bounds(rate: float | None) -> None:
    assert replace(REDRIVE, rate=rate).rate == rate


@pytest.mark.parametrize("rate", [0, 0.009, -1, 10_001, float("nan"), float("inf")])
def test_a_rate_out_of_bounds_is_refused(rate: float) -> None:
    with pytest.raises(InvalidDefinition, match="rate must be a number of letters"):
        replace(REDRIVE, rate=rate)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"rate": 1.0}, "neither filter nor rate"),
        ({"query": {"fault": "system"}}, "neither filter nor rate"),
        ({"kind": JobKind.DROP, "profile": None}, "in a profile"),
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_refused(
    order: dict[str, object], said: str
) -> None:
    fields = {"kind": JobKind.VERIFY, "profile": PROFILE, "actor": "ada", **order}

    with pytest.raises(InvalidDefinition, match=said):
        JobOrder(**fields)  # type: ignore[arg-type]


def test_a_verification_needs_no_profile() -> None:
    assert replace(VERIFY, profile=None).profile is None


def test_three_states_are_the_last() -> None:
    last = {state for state in JobState if state.is_over}

    assert last == {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
