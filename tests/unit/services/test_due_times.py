"""Due times: what actions and analyses define, as timetables."""

from datetime import UTC, datetime, timedelta

import pytest

from keyrelay.model.analysis import parse_analysis
from keyrelay.model.documents import InvalidDefinition
from keyrelay.services.scheduling.due_times import (
    check_times,
    due_times_of_action,
    due_times_of_analysis,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("interval", "due"),
    [("5 minutes", NOON + timedelta(minutes=5)), ("never", None), (None, None)],
)
def test_an_analysis_is_due_by_its_interval(
    interval: str | None, due: datetime | None
) -> None:
    document = {"name": "boiler", "interval": interval}

    timetable = due_times_of_analysis(parse_analysis(document, "1" * 24, "2" * 24))

    assert (timetable and timetable.next_due(NOON)) == due


def test_an_interval_is_counted_from_where_the_caller_says() -> None:
    analysis = parse_analysis(
        {"name": "boiler", "interval": "1 hour"}, "1" * 24, "2" * 24
    )
    action = {"type": "interval", "trigger": [{"interval": "1 hour"}]}
    since = NOON - timedelta(minutes=20)

    for timetable in (
        due_times_of_analysis(analysis, since),
        due_times_of_action(action, since),
    ):
        assert timetable is not None
        assert timetable.next_due(NOON) == NOON + timedelta(minutes=40)


def test_an_action_is_due_by_any_entry_of_its_trigger() -> None:
    nine, noon = "0 9 * * *", "0 12 * * MON"
    document = {
        "type": "schedule",
        "trigger": [{"cron": nine, "timezone": "Europe/Berlin"}, {"cron": noon}],
    }

    timetable = due_times_of_action(document)

    assert timetable is not None
    first = timetable.next_due(NOON)
    assert first == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert timetable.next_due(first) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert timetable.last_due(NOON) == datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "document", [{}, {"type": "schedule"}, {"type": "condition", "trigger": [1]}]
)
def test_an_action_that_says_no_time_is_never_due(document: dict[str, object]) -> None:
    assert due_times_of_action(document) is None
    check_times(document)


def test_times_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(InvalidDefinition, match="cron has five fields"):
        check_times({"type": "schedule", "trigger": [{"cron": "daily"}]})
