"""Recorded attempts: what they make of a trigger whose lease was cut."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.outcome import Fault
from keyrelay.model.recorded import CutLeases, RecordedAttempt, settlement_on_record
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from tests.samples import NOON

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LAST = CutLeases(since=NOON, is_last=True)
EARLIER = CutLeases(since=NOON, is_last=False)
NONE: frozenset[str] = frozenset()
BURIED = Bury(reason="no", fault=Fault.TRIGGER, done=frozenset({"a"}))
AGAIN = TryAgain(after=60 * SECOND, done=frozenset({"b"}))


def recorded(settlement: Settlement, at: int = 0) -> RecordedAttempt:
    moment = NOON + at * SECOND
    return RecordedAttempt(
        started_at=moment, ended_at=moment + SECOND, settlement=settlement
    )


def test_a_trigger_without_a_record_is_attempted() -> None:
    assert settlement_on_record([], LAST, NONE, NOON) is None


@pytest.mark.parametrize("unsettled", [LAST, EARLIER], ids=["last", "earlier"])
@pytest.mark.parametrize("end", [Done(), BURIED], ids=["done", "buried"])
def test_an_end_on_record_settles_it_whichever_lease_it_is_of(
    unsettled: CutLeases, end: Settlement
) -> None:
    attempts = [recorded(end), recorded(TryAgain(after=SECOND), at=5)]

    assert settlement_on_record(attempts, unsettled, NONE, NOON) == end


def test_the_rest_of_a_wait_is_waited_and_spends_nothing() -> None:
    now = NOON + 21 * SECOND

    settlement = settlement_on_record([recorded(AGAIN)], LAST, NONE, now)

    assert settlement == replace(AGAIN, after=40 * SECOND, spent=False)


def test_a_wait_that_is_over_makes_it_due() -> None:
    settlement = settlement_on_record([recorded(AGAIN)], LAST, NONE, NOON + 2 * HOUR)

    assert settlement == replace(AGAIN, after=timedelta(), spent=False)


def test_what_waits_for_a_secret_is_due_at_once_since_it_may_have_been_replaced() -> (
    None
):
    again = replace(AGAIN, waits_for="s")

    settlement = settlement_on_record([recorded(again)], LAST, NONE, NOON)

    assert settlement == replace(again, after=timedelta(), spent=False)


def test_a_wait_that_the_queue_knows_of_is_not_waited_twice() -> None:
    assert settlement_on_record([recorded(AGAIN)], EARLIER, NONE, NOON) is None


def test_the_newest_wait_counts() -> None:
    attempts = [recorded(AGAIN), recorded(replace(AGAIN, after=9 * SECOND), at=10)]

    settlement = settlement_on_record(attempts, LAST, NONE, NOON + 11 * SECOND)

    assert isinstance(settlement, TryAgain)
    assert settlement.after == 9 * SECOND


@given(
    known=st.frozensets(st.sampled_from("abcd")),
    parts=st.lists(st.frozensets(st.sampled_from("abcd")), min_size=1),
)
def test_no_part_that_was_ever_settled_is_sent_again(
    known: frozenset[str], parts: list[frozenset[str]]
) -> None:
    attempts = [recorded(replace(AGAIN, done=done)) for done in parts]

    settlement = settlement_on_record(attempts, LAST, known, NOON)

    assert isinstance(settlement, TryAgain)
    assert settlement.done == known.union(*parts)
