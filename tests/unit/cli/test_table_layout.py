"""Table layout: what fits, what gives way, and that it fits in the end."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from keyrelay.cli.columns import Column, Content, instant, text, word
from keyrelay.cli.table_layout import (
    GAP,
    TableContent,
    widths_of,
    with_short_ids,
    with_short_instants,
    without_optional,
)
from keyrelay.model.instant import wire_instant
from tests.samples import NOON

ID = Column(name="id", content=Content.ID, head="id")
COLUMNS = (ID, text("name"), word("version", optional=True), instant("at"))
ROW = ("6745d1f0" + "a" * 16, "north", "1", wire_instant(NOON))


def table(*rows: tuple[str, ...]) -> TableContent:
    return TableContent(columns=COLUMNS, rows=rows or (ROW,))


def total(content: TableContent, width: int) -> int:
    return sum(widths_of(content, width)) + GAP * (len(content.columns) - 1)


def test_what_fits_has_its_natural_width() -> None:
    assert widths_of(table(), 80) == table().natural == [24, 5, 7, 24]
    assert table().fits(66)
    assert not table().fits(65)


def test_texts_give_way_first_and_the_widest_of_them_most() -> None:
    columns = (text("one"), text("two"), word("three"))
    content = TableContent(columns=columns, rows=[("a" * 40, "b" * 10, "c" * 20)])

    assert widths_of(content, 54) == [20, 10, 20]
    assert widths_of(content, 40) == [8, 8, 20]


def test_a_wide_character_takes_two_columns() -> None:
    content = TableContent(columns=(text("name"),), rows=[("警報を送る",)])

    assert content.natural == [10]


def test_a_long_id_is_folded_before_a_text_becomes_too_short() -> None:
    columns = (ID, text("reason"))
    content = TableContent(columns=columns, rows=[("x" * 64, "y" * 64)])

    assert content.fits(34)
    assert widths_of(content, 34) == [16, 16]


def test_optional_columns_are_left_out_only_where_room_is_short() -> None:
    assert without_optional(table(), 66) == table()

    left = without_optional(table(), 60)

    assert [column.name for column in left.columns] == ["id", "name", "at"]
    assert left.rows == [[ROW[0], ROW[1], ROW[3]]]


@pytest.mark.parametrize(
    ("cell", "short"),
    [
        (
            wire_instant(NOON - timedelta(days=3)),
            f"{NOON - timedelta(days=3):%m-%d} 12:00",
        ),
        (
            wire_instant(NOON + timedelta(days=3)),
            f"{NOON + timedelta(days=3):%m-%d} 12:00",
        ),
        ("2019-03-04T05:06:07.000Z", "2019-03-04"),
        ("never", "never"),
        ("", ""),
        ("what stood in an unreadable row", "what stood in an unreadable row"),
    ],
)
def test_an_instant_is_cut_to_its_minute_or_its_day(cell: str, short: str) -> None:
    content = with_short_instants(table((ROW[0], cell, "1", cell)), NOON)

    assert content.rows == [[ROW[0], cell, "1", short]]


def test_ids_are_written_as_they_were_shortened() -> None:
    content = with_short_ids(table(), {"id": {ROW[0]: "6745d1f0"}, "name": {}})

    assert content.rows == [["6745d1f0", *ROW[1:]]]
    assert content.cells("id") == {"6745d1f0"}


CELL = st.text(st.sampled_from("abc 警é́"), max_size=90)
KINDS = st.sampled_from([text("t"), word("w", optional=True), ID])


@given(columns=st.lists(KINDS, min_size=1, max_size=7), data=st.data())
def test_any_table_fits_80_columns(columns: list[Column], data: st.DataObject) -> None:
    row = st.tuples(*(CELL for _ in columns))
    content = TableContent(columns=columns, rows=data.draw(st.lists(row, max_size=4)))

    assert total(content, 80) <= 80
    natural = content.natural
    assert all(w <= n for w, n in zip(widths_of(content, 80), natural, strict=True))
    assert natural == [
        max(cell_len(c.head), *(cell_len(row[at]) for row in content.rows), 0)
        for at, c in enumerate(columns)
    ]
