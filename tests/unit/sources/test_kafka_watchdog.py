"""The watchdog: when a consumer is replaced, and when it is only quiet."""

from datetime import timedelta

import pytest

from keyrelay.sources.kafka.reading.watchdog import Stalled, Watchdog
from tests.contract.queues import SECOND
from tests.samples import NOON

PATIENCE = timedelta(minutes=1)
LATE = NOON + PATIENCE + SECOND


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog(patience=PATIENCE, moved_at=NOON, left_at=None)


def test_a_consumer_that_gets_nothing_for_long_although_it_is_behind_is_stalled(
    watchdog: Watchdog,
) -> None:
    watchdog.check(NOON + PATIENCE, behind=True)

    with pytest.raises(Stalled, match="gets nothing"):
        watchdog.check(LATE, behind=True)


def test_a_consumer_that_has_read_all_may_be_quiet_for_any_time(
    watchdog: Watchdog,
) -> None:
    watchdog.check(NOON + timedelta(days=30), behind=False)


def test_a_consumer_that_got_something_of_late_is_not_stalled(
    watchdog: Watchdog,
) -> None:
    watchdog.moved(NOON + 2 * SECOND)

    watchdog.check(LATE, behind=True)


def test_a_consumer_that_does_not_get_back_into_its_group_is_stalled(
    watchdog: Watchdog,
) -> None:
    watchdog.left(NOON)
    watchdog.check(NOON + PATIENCE, behind=False)

    with pytest.raises(Stalled, match="group"):
        watchdog.check(LATE, behind=False)


def test_leaving_again_while_away_does_not_begin_the_wait_anew(
    watchdog: Watchdog,
) -> None:
    watchdog.left(NOON)
    watchdog.left(NOON + PATIENCE)

    with pytest.raises(Stalled):
        watchdog.check(LATE, behind=False)


def test_a_consumer_that_is_back_in_its_group_has_all_the_time_again(
    watchdog: Watchdog,
) -> None:
    watchdog.left(NOON)
    watchdog.joined(NOON + PATIENCE)

    watchdog.check(LATE, behind=True)


def test_during_a_rebalance_nothing_is_expected(
    watchdog: Watchdog,
) -> None:
    watchdog.left(NOON + PATIENCE)

    watchdog.check(LATE, behind=True)
