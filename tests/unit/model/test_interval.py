"""Intervals: read in the words of TagoIO's clients, or refused."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.interval import LONGEST, SHORTEST, parse_interval


@pytest.mark.parametrize("value", [None, "never"])
def test_what_is_never_run_has_no_interval(value: object) -> None:
    assert parse_interval(value) is None


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1 minute", timedelta(minutes=1)),
        ("5 minutes", timedelta(minutes=5)),
        ("1 hour", timedelta(hours=1)),
        ("2 days", timedelta(days=2)),
        ("1 week", timedelta(weeks=1)),
    ],
)
def test_a_number_of_units_is_an_interval(text: str, interval: timedelta) -> None:
    assert parse_interval(text) == interval


@pytest.mark.parametrize(
    "value",
    ["", "0 minutes", "5", "minutes", "5  minutes", "-5 minutes", "5 seconds",
     "1.5 hours", "9999 weeks", "5 minutes\n", "\u0665 minutes", "5 Minutes",
     5, True, []],
)  # fmt: skip
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InvalidDefinition):
        parse_interval(value)


@given(st.text())
def test_any_text_is_read_within_its_bounds_or_refused(text: str) -> None:
    try:
        interval = parse_interval(text)
    except InvalidDefinition:
        return
    assert interval is None or SHORTEST <= interval <= LONGEST
