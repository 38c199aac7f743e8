"""Run confirming: which runs a script may say the end of."""

from dataclasses import replace
from datetime import timedelta

from keyrelay.model.analysis import RunOn
from keyrelay.model.run import (
    ListedRun,
    RunCause,
    RunOrder,
    RunOrigin,
    RunState,
    RunTimes,
)
from keyrelay.services.run_confirming import refusal_of
from tests.samples import ANALYSIS, NOON, PROFILE

HOUR = timedelta(hours=1)
HANDED = ListedRun(
    order=RunOrder(
        id="1" * 24,
        profile=PROFILE,
        analysis=ANALYSIS,
        run_on=RunOn.EXTERNAL,
        cause=RunCause(origin=RunOrigin.REQUEST, asked_at=NOON, deadline=NOON + HOUR),
        scope="[]",
    ),
    state=RunState.DONE,
    attempts=1,
    times=RunTimes(started_at=NOON),
)


def test_a_run_that_was_handed_over_is_confirmed_until_its_deadline() -> None:
    assert refusal_of(HANDED, NOON + HOUR) is None

    late = refusal_of(HANDED, NOON + HOUR + timedelta.resolution)

    assert late == "this run is confirmed no more: its deadline has passed"


def test_a_run_that_no_script_was_handed_is_not_confirmed() -> None:
    waiting = replace(HANDED, state=RunState.WAITING, attempts=0, times=RunTimes())

    assert refusal_of(waiting, NOON) == "this run was not handed to a script yet"


def test_a_hosted_run_is_not_confirmed() -> None:
    order = replace(HANDED.order, run_on=RunOn.HOSTED)

    refusal = refusal_of(replace(HANDED, order=order), NOON)

    assert refusal is not None
    assert refusal.startswith("this run is hosted")
