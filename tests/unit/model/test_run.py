"""Runs: what they are asked for with is kept as it is; ids are made again alike."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.data_point import MOST_POINTS
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import is_id, made_at, new_id
from keyrelay.model.run import LARGEST_SCOPE, RunState, parse_scope, run_id
from tests.samples import ANALYSIS, NOON

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)
POINTS = st.dictionaries(TEXTS, VALUES, max_size=4)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2105, 1, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)


@given(st.lists(POINTS, max_size=8))
def test_what_is_accepted_is_decoded_to_the_same(points: list[object]) -> None:
    assert json.loads(parse_scope(points)) == points


@given(POINTS)
def test_one_point_is_an_array_of_it(point: dict[str, object]) -> None:
    assert parse_scope(point) == parse_scope([point])


@given(st.lists(POINTS, max_size=8))
def test_a_scope_that_was_read_is_read_again_as_it_is(points: list[object]) -> None:
    scope = parse_scope(points)

    assert parse_scope(json.loads(scope)) == scope


def test_nothing_is_an_empty_array() -> None:
    assert parse_scope(None) == parse_scope([]) == "[]"


@given(VALUES)
def test_everything_else_is_refused_in_a_sentence(value: object) -> None:
    if value is None or isinstance(value, dict):
        return
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return
    with pytest.raises(InvalidDefinition, match="scope"):
        parse_scope(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_number_for_is_refused(value: float) -> None:
    with pytest.raises(InvalidDefinition, match="scope"):
        parse_scope([{"value": value}])


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"], ids=ascii)
def test_half_a_character_is_refused(text: str) -> None:
    for point in ({"value": text}, {text: 1}):
        with pytest.raises(InvalidDefinition, match="scope"):
            parse_scope([point])


def test_nul_which_would_end_a_variable_is_written_as_json_writes_it() -> None:
    assert parse_scope([{"value": "\0"}]) == '[{"value":"\\u0000"}]'


def test_a_scope_of_the_largest_size_is_taken_and_no_larger_one() -> None:
    around = len(parse_scope([{"v": ""}]))
    room = LARGEST_SCOPE - around

    assert len(parse_scope([{"v": "x" * room}])) == LARGEST_SCOPE
    for larger in ("x" * (room + 1), "é" * (room // 2 + 1)):
        with pytest.raises(InvalidDefinition, match=f"more than {LARGEST_SCOPE} bytes"):
            parse_scope([{"v": larger}])


def test_a_scope_has_no_more_points_than_a_trigger() -> None:
    assert len(json.loads(parse_scope([{}] * MOST_POINTS))) == MOST_POINTS
    with pytest.raises(InvalidDefinition, match="scope"):
        parse_scope([{}] * (MOST_POINTS + 1))


@given(st.text(), MOMENTS)
def test_a_trigger_asks_for_the_same_run_each_time(trigger: str, at: datetime) -> None:
    one = run_id(trigger, ANALYSIS, at)

    assert one == run_id(trigger, ANALYSIS, at)
    assert is_id(one)
    assert made_at(one) == at.replace(microsecond=0)


@given(MOMENTS, MOMENTS)
def test_ids_of_runs_sort_by_their_second_beside_other_ids(
    one: datetime, other: datetime
) -> None:
    earlier, later = sorted([one.replace(microsecond=0), other.replace(microsecond=0)])
    if earlier == later:
        later += timedelta(seconds=1)

    assert run_id("t1", ANALYSIS, earlier) < run_id("t1", ANALYSIS, later)
    assert new_id(earlier) < run_id("t1", ANALYSIS, later)
    assert run_id("t1", ANALYSIS, earlier) < new_id(later)


def test_runs_of_two_analyses_or_two_triggers_are_two() -> None:
    ids = {
        run_id(trigger, analysis, NOON)
        for trigger in ("t1", "t2", "t1/f")
        for analysis in (ANALYSIS, "a" * 24)
    }

    assert len(ids) == 6


def test_a_run_that_is_done_or_failed_is_over() -> None:
    assert {state for state in RunState if state.is_over} == {
        RunState.DONE,
        RunState.FAILED,
    }
