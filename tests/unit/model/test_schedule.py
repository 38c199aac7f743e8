"""Schedules: intervals counted from an instant, and what documents say of times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.schedule import CronRule, Every, Together, parse_times

SINCE = datetime(2026, 3, 1, 12, 34, 56, 789000, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta.resolution
INTERVALS = st.timedeltas(timedelta(minutes=1), timedelta(days=366))
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


def test_an_interval_is_due_when_it_has_passed_and_so_on() -> None:
    hourly = Every(interval=HOUR, since=SINCE)

    assert hourly.next_due(SINCE - 9 * HOUR) == SINCE + HOUR
    assert hourly.next_due(SINCE) == SINCE + HOUR
    assert hourly.next_due(SINCE + HOUR - MOMENT) == SINCE + HOUR
    assert hourly.next_due(SINCE + HOUR) == SINCE + 2 * HOUR
    assert hourly.last_due(SINCE + HOUR) is None
    assert hourly.last_due(SINCE + HOUR + MOMENT) == SINCE + HOUR
    assert hourly.last_due(SINCE - 9 * HOUR) is None


def test_an_interval_without_a_beginning_is_due_at_full_hours_of_utc() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert Every(interval=HOUR).next_due(noon - MOMENT) == noon
    assert Every(interval=24 * HOUR).last_due(noon) == noon - 12 * HOUR


@given(INTERVALS, INSTANTS, INSTANTS)
def test_between_two_due_times_there_is_one_interval_and_no_other(
    interval: timedelta, since: datetime, instant: datetime
) -> None:
    every = Every(interval=interval, since=since)

    next_one, last = every.next_due(instant), every.last_due(instant)

    assert instant < next_one
    assert next_one > since
    assert every.next_due(next_one - MOMENT) == next_one
    assert every.last_due(next_one + MOMENT) == next_one
    if last is None:
        assert instant <= since + interval
    else:
        assert since < last < instant
        assert every.next_due(last) == last + interval
        assert next_one in (last + interval, last + 2 * interval)


@given(st.lists(INTERVALS, min_size=1, max_size=4), INSTANTS)
def test_together_is_due_whenever_one_is(
    intervals: list[timedelta], instant: datetime
) -> None:
    several = tuple(Every(interval=each) for each in intervals)

    together = Together(several)

    assert together.next_due(instant) == min(e.next_due(instant) for e in several)
    last = [due for e in several if (due := e.last_due(instant)) is not None]
    assert together.last_due(instant) == max(last, default=None)


def test_what_an_action_says_is_read_entry_by_entry() -> None:
    intervals = [{"interval": "5 minutes"}, {"interval": "1 day", "more": 1}]
    crons = [
        {"cron": "0 9 * * MON", "timezone": "Europe/Berlin"},
        {"cron": "0 9 * * *", "timezone": None},
    ]

    assert parse_times({"type": "interval", "trigger": intervals}) == (
        timedelta(minutes=5),
        timedelta(days=1),
    )
    assert parse_times({"type": "schedule", "trigger": crons}) == (
        CronRule(expression="0 9 * * MON", time_zone="Europe/Berlin"),
        CronRule(expression="0 9 * * *"),
    )
    assert parse_times({"type": "schedule"}) == ()


@pytest.mark.parametrize("type_", [None, "condition", "resource", "mqtt_topic"])
def test_an_action_of_another_type_is_never_due_by_itself(type_: str | None) -> None:
    document = {"type": type_, "trigger": [{"interval": 1}, {"cron": 1}, "x"]}

    assert parse_times(document) == ()


@pytest.mark.parametrize(
    ("type_", "entry", "sentence"),
    [
        ("interval", 1, "an entry of trigger must be an object"),
        ("interval", {}, "an entry of trigger says its interval"),
        ("interval", {"interval": "never"}, "an entry of trigger says its interval"),
        ("interval", {"interval": "often"}, "interval must be"),
        ("schedule", {}, "cron must be a string"),
        ("schedule", {"cron": ""}, "cron must have 1 to 200 characters"),
        ("schedule", {"cron": "x", "timezone": 1}, "timezone must be a string"),
    ],
)
def test_an_entry_that_says_no_time_is_refused(
    type_: str, entry: object, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse_times({"type": type_, "trigger": [entry]})
