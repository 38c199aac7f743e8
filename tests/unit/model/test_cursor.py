"""Cursors: read back as they were given out, and refused when they are not."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.cursor import Cursor, parse_cursor
from keyrelay.model.documents import InvalidDefinition
from tests.samples import NOON

INSTANTS = st.datetimes(timezones=st.just(UTC))


@given(at=INSTANTS, id_=st.text("0123456789abcdef", min_size=1, max_size=24))
def test_a_cursor_is_read_back_as_it_was_given_out(at: datetime, id_: str) -> None:
    text = str(Cursor(at, id_))

    assert parse_cursor(text) == Cursor(at, id_)
    assert set(text) <= {*map(chr, range(128))} - set("=+/& ")


@given(text=st.text())
def test_any_text_is_a_cursor_that_was_given_out_or_is_refused(text: str) -> None:
    try:
        cursor = parse_cursor(text)
    except InvalidDefinition:
        return
    assert str(cursor) == text


@pytest.mark.parametrize(
    "text", ["", "x", "ä", "====", "a" * 300, "OTk5OTk5OTk5OTk5OTk5OTk5OTkgYQ"]
)
def test_a_malformed_cursor_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidDefinition, match="be the `next` of a page") as refused:
        parse_cursor(text)

    assert not text or f"{text}:" not in str(refused.value)


def test_a_cursor_that_was_edited_is_refused() -> None:
    with pytest.raises(InvalidDefinition):
        parse_cursor(f"{Cursor(NOON, 'f' * 24)}=")
