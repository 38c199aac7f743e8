"""Wildcards against a matcher that tries every way, and against hostile texts."""

from collections.abc import Iterator

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
)

from keyrelay.stores.definitions.wildcard import LONGEST_FOLDED, fold, is_like

NAMES = Table("names", MetaData(), Column("folded", String))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    NAMES.metadata.create_all(engine)
    yield engine
    engine.dispose()


def is_found(engine: Engine, name: str, text: str) -> bool:
    with engine.connect() as connection:
        connection.execute(insert(NAMES).values(folded=fold(name)))  # rolled back
        found = connection.execute(select(NAMES).where(is_like(NAMES.c.folded, text)))
        return found.first() is not None


def is_matched(name: str, text: str) -> bool:
    """Try every length that a star can stand for."""
    if not text:
        return not name
    if text[0] == "*":
        return any(is_matched(name[at:], text[1:]) for at in range(len(name) + 1))
    return name[:1] == text[0] and is_matched(name[1:], text[1:])


CHARACTERS = "abA%_\\ßſ􏿽"


@given(
    name=st.text(CHARACTERS, max_size=6), text=st.text(f"{CHARACTERS}***", max_size=8)
)
def test_a_name_is_found_as_by_trying_every_way(
    engine: Engine, name: str, text: str
) -> None:
    expected = is_matched(fold(name), fold(text))
    event(str(expected))

    assert is_found(engine, name, text) is expected


def sought(text: str) -> list[str]:
    """Return the texts that a database is given to look for."""
    return [
        str(each) for each in is_like(NAMES.c.folded, text).compile().params.values()
    ]


def test_stars_cost_nothing() -> None:
    stars = "*" * 400

    assert sought(stars) == sought("*") == ["%"]
    assert sought(f"a{stars}b{stars}") == sought("a*b*")


@pytest.mark.parametrize(
    "text",
    ["a" * 301, "*".join("a" * 301), "ß" * 151, "a*" * 1_000_000, "\ud800", "*\udfff*"],
    ids=["long", "in pieces", "long once folded", "very long", "half", "other half"],
)
def test_what_no_name_can_be_is_not_looked_for(text: str) -> None:
    assert sought(text) == []


@given(text=st.text("a*%_\\", max_size=2000))
def test_no_text_makes_a_database_compare_with_more_than_a_bounded_pattern(
    text: str,
) -> None:
    assert all(len(each) <= 3 * LONGEST_FOLDED + 1 for each in sought(text))


def test_a_hostile_text_is_compared_in_the_end(engine: Engine) -> None:
    """A matcher that tries every way would need 2 to the 150th steps for each name."""
    assert not is_found(engine, "a" * 300, "*a" * 150 + "*b")


def test_a_text_that_begins_without_a_star_is_looked_for_by_its_beginning() -> None:
    assert sought("Ab*") == ["ab", "ab\U0010ffff", "ab%"]
    assert sought("Ab") == ["ab"]
