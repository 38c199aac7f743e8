import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.revision import Revision, no_revision, parse_revision
from keyrelay.ports import RevisionNow

ONE, OTHER = "1" * 24, "2" * 24


@pytest.mark.parametrize(
    ("mine", "theirs", "older"),
    [
        (Revision(ONE, 1), Revision(ONE, 2), True),
        (Revision(ONE, 2), Revision(ONE, 2), False),
        (Revision(ONE, 3), Revision(ONE, 2), False),
        (Revision(ONE, 1), Revision(OTHER, 2), False),
        (Revision(ONE, 1), None, False),
    ],
)
def test_a_revision_is_older_than_a_later_one_of_its_own_history(
    mine: Revision, theirs: Revision | None, *, older: bool
) -> None:
    assert mine.is_older_than(theirs) is older


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_a_revision_is_read_back(number: int) -> None:
    revision = Revision(ONE, number)

    assert parse_revision(str(revision)) == revision


@given(st.text())
def test_any_other_text_is_no_revision(text: str) -> None:
    assert parse_revision(text) is None


@pytest.mark.parametrize("number", ["", "-1", "1.0", "٣", "1" * 19, "1/1", " 1"])
def test_what_is_no_number_of_changes_is_no_revision(number: str) -> None:
    assert parse_revision(f"{ONE}/{number}") is None


async def test_without_definitions_there_is_no_revision() -> None:
    read: RevisionNow = no_revision

    assert await read() is None
