"""A queue's file is looked at when something may be due, and else left alone."""

from datetime import timedelta

import pytest

from keyrelay.sources.sqlite.inspection import NOTHING_DUE, Outlook
from keyrelay.sources.sqlite.operations import Look
from tests.samples import NOON

SECOND = timedelta(seconds=1)
STAMP = (1, 4096)
SEEN = Look(stamp=STAMP, at=NOON, found=NOTHING_DUE)
LATER = Look(stamp=STAMP, at=NOON, found=Outlook(due=0, next=NOON + 2 * SECOND))


@pytest.mark.parametrize("passed", [timedelta(), SECOND, 4.9 * SECOND])
def test_a_file_in_which_nothing_changed_is_left_alone(passed: timedelta) -> None:
    assert not SEEN.is_outdated(STAMP, NOON + passed)


@pytest.mark.parametrize("stamp", [(2, 4096), (1, 8192), None])
def test_a_commit_of_any_process_is_looked_at(stamp: tuple[int, int] | None) -> None:
    assert SEEN.is_outdated(stamp, NOON)


def test_what_comes_due_by_itself_is_looked_at_then() -> None:
    assert not LATER.is_outdated(STAMP, NOON + SECOND)
    assert LATER.is_outdated(STAMP, NOON + 2 * SECOND)


@pytest.mark.parametrize(
    ("look", "passed"),
    [
        (Look(), timedelta()),
        (Look(stamp=STAMP, at=NOON, found=Outlook(due=3, next=None)), timedelta()),
        (SEEN, 5 * SECOND),
        (SEEN, -SECOND),
    ],
    ids=["never looked", "some are due", "long ago", "the clock was set back"],
)
def test_a_look_does_not_last(look: Look, passed: timedelta) -> None:
    assert look.is_outdated(STAMP, NOON + passed)
