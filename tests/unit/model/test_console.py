"""Console lines: read as TagoIO's clients send them, kept as every database can."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.console import (
    LONGEST_LINE,
    ConsoleLine,
    PlacedLine,
    kept_line,
    parse_message,
    with_gap,
)
from keyrelay.model.documents import InvalidDefinition
from tests.samples import NOON

LINE = ConsoleLine(at=NOON, text="hello")


def kept(text: str) -> str:
    return kept_line(ConsoleLine(at=NOON, text=text)).text


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (None, NOON),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        (1893499200000.0, NOON),
        ("2030-01-01 12:00:00", NOON),
        ("2030-01-01T13:00:00+01:00", NOON),
    ],
)
def test_a_message_has_the_time_that_it_was_sent_with(
    timestamp: object, at: datetime
) -> None:
    line = parse_message({"message": "hello", "timestamp": timestamp}, NOON)

    assert line == ConsoleLine(at=at, text="hello")


@pytest.mark.parametrize(
    "timestamp",
    ["soon", "", "0001-01-01T00:00:00+01:00", 1e300, float("nan"), True, {}, 10**400],
)
def test_what_is_no_time_is_refused(timestamp: object) -> None:
    with pytest.raises(InvalidDefinition, match="milliseconds since 1970"):
        parse_message({"message": "hello", "timestamp": timestamp}, NOON)


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_is_kept_so_that_it_can_be_written(text: str) -> None:
    once = kept(text)

    assert len(once.encode()) <= LONGEST_LINE
    assert "\0" not in once
    assert kept(once) == once


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert kept(text) == text


@pytest.mark.parametrize("character", ["x", "é", "漢", "\N{MAN}", "\0", "\x1b"])
def test_a_long_line_is_cut_at_a_whole_character(character: str) -> None:
    cut = kept(character * 2 * LONGEST_LINE)

    assert cut.endswith("…")
    assert LONGEST_LINE - 8 <= len(cut.encode()) <= LONGEST_LINE


def test_lines_that_are_gone_are_told_by_one_line() -> None:
    found = [PlacedLine(place=4, line=LINE), PlacedLine(place=5, line=LINE)]

    assert [each.text for each in with_gap(3, found)] == ["hello"] * 2
    assert with_gap(2, found)[0].text == "(1 line was left out here)"
    assert with_gap(0, found)[0].text == "(3 lines were left out here)"
    assert with_gap(7, []) == []
