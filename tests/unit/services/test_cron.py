"""Cron: due times by the clocks of a time zone, and once where clocks are changed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.schedule import CronRule
from keyrelay.services.scheduling.cron import CronTimes, read_cron

MOMENT = timedelta.resolution
EXPRESSIONS = (
    *("* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "*/20 1,2,3 * * *"),
    *("15 */2 * * *", "0 0 * * *", "0 0 1 * *", "48 09 */1 * Wed", "0 12 L * *"),
    *("5 4 * * MON#2", "59 23 29 2 *", "* * * 1 *", "0 9-17/4 1-7 * 1"),
)
# With clocks that are changed by an hour or half of one, at midnight, or by a day.
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/Havana"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"),
)
INSTANTS = st.datetimes(
    min_value=datetime(1995, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2036, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


def cron(expression: str, time_zone: str = "UTC") -> CronTimes:
    return read_cron(CronRule(expression=expression, time_zone=time_zone))


def due(expression: str, time_zone: str, day: str, amount: int) -> Sequence[str]:
    """Return so many due times from that day on, by the clocks there."""
    times = cron(expression, time_zone)
    at = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(time_zone))
    after, found = at - MOMENT, list[str]()
    for _ in range(amount):
        next_one = times.next_due(after)
        assert next_one is not None
        after = next_one
        found.append(after.astimezone(times.zone).strftime("%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["29 03:00 +0200", "30 02:30 +0200"]),
        ("*/20 2 * * *", ["29 03:00 +0200", "30 02:00 +0200"]),
        ("30 2,3 * * *", ["29 03:00 +0200", "29 03:30 +0200", "30 02:30 +0200"]),
        ("0 2,3 * * *", ["29 03:00 +0200", "30 02:00 +0200"]),
        ("0 */2 * * *", ["29 00:00 +0100", "29 03:00 +0200", "29 04:00 +0200"]),
        ("0 * * * *", ["29 00:00 +0100", "29 01:00 +0100", "29 03:00 +0200"]),
    ],
)
def test_an_hour_that_is_left_out_is_due_once_when_it_is_over(
    expression: str, expected: Sequence[str]
) -> None:
    assert due(expression, "Europe/Berlin", "2026-03-29", len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("*/30 2 * * *", ["25 02:00 +0200", "25 02:30 +0200", "26 02:00 +0100"]),
        ("0 */2 * * *", ["25 00:00 +0200", "25 02:00 +0200", "25 04:00 +0100"]),
        ("30 2,3 * * *", ["25 02:30 +0200", "25 03:30 +0100", "26 02:30 +0100"]),
    ],
)
def test_an_hour_that_comes_twice_is_due_the_first_time_alone(
    expression: str, expected: Sequence[str]
) -> None:
    assert due(expression, "Europe/Berlin", "2026-10-25", len(expected)) == expected


def test_what_is_due_every_hour_is_due_in_each_hour_that_passes() -> None:
    assert due("0 * * * *", "Europe/Berlin", "2026-10-25", 5) == [
        "25 00:00 +0200",
        "25 01:00 +0200",
        "25 02:00 +0200",
        "25 02:00 +0100",
        "25 03:00 +0100",
    ]


def test_midnight_may_be_left_out_and_so_may_a_day() -> None:
    assert due("0 0 * * *", "America/Havana", "2026-03-07", 2) == [
        "07 00:00 -0500",
        "08 01:00 -0400",
    ]
    assert due("0 12 * * *", "Pacific/Apia", "2011-12-29", 3) == [
        "29 12:00 -1000",
        "31 00:00 +1400",
        "31 12:00 +1400",
    ]


def test_a_star_in_one_field_of_days_leaves_the_other_one_to_decide() -> None:
    # As TagoIO's own form writes "every Wednesday".
    assert due("48 09 */1 * Wed", "America/Sao_Paulo", "2026-10-25", 2) == [
        "28 09:48 -0300",
        "04 09:48 -0300",
    ]


def test_a_day_that_comes_once_in_many_years_is_found_both_ways() -> None:
    times = cron("0 0 29 2 *")

    assert times.next_due(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(
        2104, 2, 29, tzinfo=UTC
    )
    assert times.last_due(datetime(2104, 2, 28, tzinfo=UTC)) == datetime(
        2096, 2, 29, tzinfo=UTC
    )


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), INSTANTS)
def test_the_way_back_agrees_with_the_way_forward(
    expression: str, zone: str, instant: datetime
) -> None:
    times = cron(expression, zone)

    next_one, last = times.next_due(instant), times.last_due(instant)

    assert next_one is not None
    assert last is not None
    assert last < instant < next_one
    assert last == times.next_due(last - MOMENT) == times.last_due(last + MOMENT)
    assert next_one == times.next_due(next_one - MOMENT)
    between = times.next_due(last)
    assert between in (instant, next_one)


@given(
    st.sampled_from(("30 2 * * *", "0 0 * * *", "59 23 * * *", "15 1 * * *")),
    st.sampled_from(ZONES[:5]),
    INSTANTS,
)
def test_what_is_due_at_one_time_of_day_is_due_once_on_each_day(
    expression: str, zone: str, instant: datetime
) -> None:
    times = cron(expression, zone)
    day = instant.astimezone(times.zone).date()
    after: datetime | None = times.next_due(instant)

    for number in range(1, 400):
        assert after is not None
        day_before = after.astimezone(times.zone).date()
        after = times.next_due(after)
        assert after is not None
        passed = after.astimezone(times.zone).date() - day_before
        assert passed == timedelta(days=1), (number, day)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "cron has five fields"),
        ("@daily", "cron has five fields"),
        ("0 9 * *", "cron has five fields"),
        ("0 0 9 * * *", "cron has five fields"),
        ("60 * * * *", "cron cannot be read: bad minute"),
        ("* 24 * * *", "cron cannot be read: bad hour"),
        ("0 0 * * MON#6", "cron cannot be read: bad day-of-week"),
        ("0 0 31 2 *", "cron cannot be read: bad day-of-month"),
        ("0 0 */31 * MON#5", "cron names a date that never comes"),
        ("*/0 * * * *", "cron cannot be read"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused(
    expression: str, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        cron(expression)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Berlin", "America", "europe/berlin", "+01:00", "2026-01-01T00:00:00Z"),
        *("../etc/passwd", "/etc/passwd", "Europe/../UTC", "tzdata.zi", "U\0TC", "Ü"),
        *("localtime", "posixrules", "posix/UTC", "right/UTC", "a" * 100),
    ],
)
def test_a_time_zone_of_no_such_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidDefinition, match="timezone must be a name"):
        cron("0 9 * * *", name)


FIELD = st.text(alphabet="0123456789*/,-#LWMONTUEsun?²٣", min_size=1, max_size=8)


@given(st.lists(FIELD, min_size=5, max_size=5))
def test_any_text_is_an_expression_or_refused(fields: Sequence[str]) -> None:
    try:
        times = cron(" ".join(fields), "Europe/Berlin")
    except InvalidDefinition:
        return
    assert times.next_due(datetime(2026, 1, 1, tzinfo=UTC)) is not None
