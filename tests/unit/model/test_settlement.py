from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.settlement import (
    LAST_CALL,
    LONGEST_HINT,
    LONGEST_JITTER,
    SHORTEST_UNSPENT,
    STANDARD,
    Attempt,
    Bury,
    Done,
    Schedule,
    TryAgain,
    settle,
)
from tests.samples import DAY, NOON

SECOND = timedelta(seconds=1)
SCHEDULE = Schedule(attempts=4, first=SECOND, longest=3 * SECOND)
FIRST = Attempt(number=1, ended_at=NOON, deadline=NOON + DAY, chance=0.5)
PARTS = (Part("a", "taken", settled=True), Part("b", "busy", settled=False))

WAITS = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta.max)
SCHEDULES = st.tuples(st.integers(1, 10**6), WAITS, WAITS).map(
    lambda drawn: Schedule(
        attempts=drawn[0], first=min(drawn[1:]), longest=max(drawn[1:])
    )
)
HINTS = st.timedeltas()
CHANCES = st.floats(0, 1, exclude_max=True)
NAMES = st.frozensets(st.sampled_from("abc"))
OUTCOMES = st.one_of(
    st.builds(Delivered, st.text()),
    st.builds(Rejected, st.text(), st.sampled_from(Fault)),
    st.builds(Uncertain, st.text()),
    st.builds(
        Deferred,
        st.text(),
        HINTS,
        spends_attempt=st.booleans(),
        waits_for=st.none() | st.just("s"),
    ),
)


def attempts(within: Schedule = SCHEDULE) -> st.SearchStrategy[Attempt]:
    return st.builds(
        Attempt,
        number=st.integers(1, within.attempts + 1),
        ended_at=st.timedeltas(-DAY, DAY).map(lambda late: NOON + late),
        deadline=st.just(NOON),
        chance=CHANCES,
        done=NAMES,
    )


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Delivered("ok"), Done()),
        (
            Rejected("no such queue", Fault.DEFINITION),
            Bury(reason="no such queue", fault=Fault.DEFINITION),
        ),
        (Uncertain("silence"), TryAgain(after=SECOND / 2)),
        (Deferred("busy"), TryAgain(after=SECOND / 2)),
        (Deferred("busy", not_before=9 * SECOND), TryAgain(after=9 * SECOND)),
        (
            Deferred("limit", not_before=8 * SECOND, spends_attempt=False),
            TryAgain(after=9 * SECOND, spent=False),
        ),
        (
            Deferred("paused", 8 * SECOND, spends_attempt=False, waits_for="s"),
            TryAgain(after=9 * SECOND, spent=False, waits_for="s"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_outcome_is_settled(outcome: Outcome, expected: object) -> None:
    assert settle(outcome, FIRST, SCHEDULE) == expected


@pytest.mark.parametrize("outcome", [Deferred("busy"), Uncertain("silence")])
def test_the_last_attempt_ends_in_a_dead_letter(outcome: Outcome) -> None:
    last = replace(FIRST, number=4)

    settlement = settle(outcome, last, SCHEDULE)

    assert settlement == Bury(reason=outcome_reason(outcome), fault=Fault.SYSTEM)


def outcome_reason(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Delivered) else outcome.reason


def test_what_spends_no_attempt_is_tried_again_however_often() -> None:
    unspent = Deferred("limit", SECOND, spends_attempt=False)

    settlement = settle(unspent, replace(FIRST, number=99), SCHEDULE)

    assert isinstance(settlement, TryAgain)


@pytest.mark.parametrize("hint", [timedelta(), -DAY, timedelta(milliseconds=1)])
def test_what_spends_no_attempt_is_never_tried_again_at_once(hint: timedelta) -> None:
    unspent = Deferred("limit", hint, spends_attempt=False)

    settlement = settle(unspent, replace(FIRST, chance=0), SCHEDULE)

    assert settlement == TryAgain(after=SHORTEST_UNSPENT, spent=False)


@pytest.mark.parametrize("spends_attempt", [True, False])
@pytest.mark.parametrize("chance", [0, 0.99])
def test_a_hint_of_days_is_cut_to_a_day_and_an_hour_of_jitter(
    chance: float, *, spends_attempt: bool
) -> None:
    outcome = Deferred("busy", 9 * DAY, spends_attempt=spends_attempt)
    attempt = replace(FIRST, deadline=NOON + 9 * DAY, chance=chance)

    settlement = settle(outcome, attempt, SCHEDULE)

    assert isinstance(settlement, TryAgain)
    assert LONGEST_HINT <= settlement.after <= LONGEST_HINT + LONGEST_JITTER


def test_a_wait_beyond_the_deadline_ends_shortly_before_it() -> None:
    quota = Deferred("daily quota", 9 * DAY, spends_attempt=False)
    late = replace(FIRST, deadline=NOON + 3 * LAST_CALL)

    settlement = settle(quota, late, SCHEDULE)

    assert settlement == TryAgain(after=2 * LAST_CALL, spent=False)


@pytest.mark.parametrize(
    "outcome",
    [
        Uncertain("silence"),
        Deferred("busy", 3 * SECOND),
        Deferred("limit", 3 * SECOND, spends_attempt=False),
    ],
    ids=["uncertain", "deferred", "unspent"],
)
def test_the_deadline_ends_retries_early(outcome: Uncertain | Deferred) -> None:
    late = replace(FIRST, deadline=NOON + SECOND / 4)

    settlement = settle(outcome, late, SCHEDULE)

    assert isinstance(settlement, Bury)
    assert settlement.fault is Fault.SYSTEM
    assert settlement.reason.endswith(f"deadline; the last one: {outcome.reason}")


def test_an_attempt_that_is_due_at_the_deadline_is_still_made() -> None:
    late = replace(FIRST, deadline=NOON + 3 * SECOND)

    settlement = settle(Deferred("busy", 3 * SECOND), late, SCHEDULE)

    assert settlement == TryAgain(after=3 * SECOND)


@pytest.mark.parametrize(
    "outcome",
    [
        Rejected("no", Fault.TRIGGER, PARTS),
        Uncertain("silence", PARTS),
        Deferred("busy", parts=PARTS),
        Deferred("limit", spends_attempt=False, parts=PARTS),
    ],
    ids=["rejected", "uncertain", "deferred", "unspent"],
)
def test_settled_parts_are_added_to_those_of_earlier_attempts(outcome: Outcome) -> None:
    settlement = settle(outcome, replace(FIRST, done=frozenset({"z"})), SCHEDULE)

    assert isinstance(settlement, TryAgain | Bury)
    assert settlement.done == {"a", "z"}


@given(outcome=OUTCOMES, attempt=attempts())
def test_no_attempt_comes_after_the_deadline_or_beyond_the_schedule(
    outcome: Outcome, attempt: Attempt
) -> None:
    settlement = settle(outcome, attempt, SCHEDULE)

    if isinstance(settlement, TryAgain):
        assert timedelta() <= settlement.after <= attempt.deadline - attempt.ended_at
        assert attempt.number < SCHEDULE.attempts or not settlement.spent
        assert settlement.after > timedelta() or settlement.spent


@given(outcome=OUTCOMES, attempt=attempts())
def test_only_a_delivery_is_done_and_only_a_rejection_names_another_fault(
    outcome: Outcome, attempt: Attempt
) -> None:
    settlement = settle(outcome, attempt, SCHEDULE)

    assert isinstance(settlement, Done) == isinstance(outcome, Delivered)
    if isinstance(settlement, Bury) and not isinstance(outcome, Rejected):
        assert settlement.fault is Fault.SYSTEM


@given(schedule=SCHEDULES, attempt=st.integers(1, 2000))
def test_waits_double_from_the_first_up_to_the_longest(
    schedule: Schedule, attempt: int
) -> None:
    wait, next_wait = schedule.wait_after(attempt), schedule.wait_after(attempt + 1)

    if attempt >= schedule.attempts:
        assert wait is None
        return
    assert wait is not None
    assert schedule.first <= wait <= schedule.longest
    assert attempt > 1 or wait == schedule.first
    if next_wait is not None:
        # Compared in the large: doubled, the longest timedelta overflows.
        assert 2 * _ticks(wait) == _ticks(next_wait) or next_wait == schedule.longest


def _ticks(time: timedelta) -> int:
    return time // timedelta(microseconds=1)


def test_the_standard_schedule() -> None:
    waits = [STANDARD.wait_after(attempt) for attempt in range(1, 11)]

    seconds = [wait and wait.total_seconds() for wait in waits]

    assert seconds == [5, 10, 20, 40, 80, 160, 320, 640, 900, None]


@pytest.mark.parametrize(
    ("count", "first", "longest"),
    [(0, 1, 1), (1, 0, 1), (1, -1, 1), (1, 2, 1)],
    ids=["no attempt", "no wait", "negative wait", "first beyond longest"],
)
def test_an_invalid_schedule_is_refused(count: int, first: int, longest: int) -> None:
    with pytest.raises(ValueError, match="a schedule needs"):
        Schedule(attempts=count, first=first * SECOND, longest=longest * SECOND)


@given(chance=CHANCES, number=st.integers(1, 3))
def test_jitter_is_full(chance: float, number: int) -> None:
    attempt = replace(FIRST, number=number, chance=chance)

    settlement = settle(Uncertain("silence"), attempt, SCHEDULE)

    longest = SCHEDULE.wait_after(number)
    assert longest is not None
    assert settlement == TryAgain(after=longest * chance)
