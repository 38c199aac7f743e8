import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyrelay.model.data_point import facts_of
from keyrelay.model.documents import DEEPEST
from keyrelay.model.instant import wire_instant
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.templates import Fact, plain
from keyrelay.model.trigger import LARGEST_TRIGGER, MalformedTrigger, Trigger
from tests.samples import DAY, MAIL_ACTION, NOON, ORIGIN, OTHER_PROFILE, PROFILE
from tests.triggers import GOOD, JSON, ODD, REFUSED, SMALLEST

# A log, which holds what this program wrote beside what producers wrote.
LOG = replace(ORIGIN, largest=6 * LARGEST_TRIGGER)
SHARED = replace(ORIGIN, profile=None)  # such as a topic that all profiles use


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def filled(filling: str, size: int) -> bytes:
    """Return a trigger with as much of the text, as JSON holds it, as there is room."""
    before = f'{{"action":"{MAIL_ACTION}","data":{{"note":"'
    room = size - len(before) - len('"}}')
    text = filling * (room // len(filling.encode()))
    return f'{before}{text}"}}}}'.encode()


def parse(**fields: object) -> Trigger:
    return Trigger.parse(json.dumps(SMALLEST | fields).encode(), ORIGIN)


def test_the_smallest_trigger_is_one_action_now() -> None:
    trigger = parse()

    assert trigger.id == "0" * 24
    assert (trigger.profile, trigger.action) == (PROFILE, MAIL_ACTION)
    assert (trigger.data, trigger.key) == ((), None)
    assert trigger.lifetime.raised_at == NOON
    assert trigger.lifetime.deadline == NOON + DAY


@pytest.mark.parametrize(
    "field", ["id", "profile", "data", "key", "raised_at", "deadline"]
)
def test_null_means_left_out(field: str) -> None:
    assert parse(**{field: None}) == parse()


def test_one_data_point_may_stand_without_its_list() -> None:
    assert parse(data={"value": 1}) == parse(data=[{"value": 1}])


def test_the_facts_of_a_data_point_are_ready_to_print() -> None:
    point = {
        "variable": "temperature",
        "value": 21.5,
        "unit": "°C",
        "device": "d1",
        "device_name": "Cellar",
        "time": "2030-01-01T13:00:00.123456+01:00",
        "location": {"lat": 48.1, "lng": 11},
        "metadata": {"anything": ["goes"]},
    }

    (read,) = parse(data=[point]).data

    assert read.facts == {
        Fact.VARIABLE: "temperature",
        Fact.VALUE: 21.5,
        Fact.UNIT: "°C",
        Fact.DEVICE: "d1",
        Fact.DEVICE_NAME: "Cellar",
        Fact.TIME: "2030-01-01T12:00:00.123Z",
        Fact.LOCATION: "48.1,11",
    }
    assert json.loads(read.document) == point
    assert read.document.isascii()


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("", ""),
        ("text", "text"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (10**400, "1" + "0" * 400),
        (21.0, "21.0"),
        (0.1, "0.1"),
        (-1e-7, "-1e-07"),
    ],
)
def test_a_value_prints_as_json_does(value: object, printed: str) -> None:
    (facts,) = (point.facts for point in parse(data={"value": value}).data)

    assert plain(facts[Fact.VALUE]) == printed


def test_a_value_keeps_its_type() -> None:
    values = ["1", 1, 1.0, True]

    facts = [point.facts for point in parse(data=[{"value": v} for v in values]).data]

    assert [repr(each[Fact.VALUE]) for each in facts] == ["'1'", "1", "1.0", "True"]


@pytest.mark.parametrize("data", [None, {"value": 1}])
def test_what_has_no_time_is_as_old_as_its_trigger(data: object) -> None:
    trigger = parse(data=data, raised_at="2030-01-01T12:00:00.5Z")

    facts = facts_of(trigger.data, trigger.lifetime.raised_at)

    assert facts[Fact.TIME] == "2030-01-01T12:00:00.500Z"


def test_the_time_of_a_data_point_is_its_own() -> None:
    trigger = parse(data={"time": "2029-12-31T00:00:00Z"})

    facts = facts_of(trigger.data, trigger.lifetime.raised_at)

    assert facts[Fact.TIME] == "2029-12-31T00:00:00.000Z"


@pytest.mark.parametrize(
    "location",
    [
        {"lat": 48.1, "lng": 11},
        {"lng": 11, "lat": 48.1, "altitude": 3},
        {"type": "Point", "coordinates": [11, 48.1]},
        {"type": "Point", "coordinates": [11, 48.1, 519]},
    ],
)
def test_a_location_prints_as_latitude_and_longitude(location: object) -> None:
    facts = parse(data={"location": location}).data[0].facts

    assert facts == {Fact.LOCATION: "48.1,11"}


@pytest.mark.parametrize(("field", "value", "reason"), REFUSED)
def test_a_malformed_field_is_refused_with_a_sentence(
    field: str, value: object, reason: str
) -> None:
    with pytest.raises(MalformedTrigger, match=reason):
        parse(**{field: value})


def test_a_trigger_of_a_mebibyte_is_read_and_a_larger_one_refused() -> None:
    raw = json.dumps(SMALLEST).encode().ljust(LARGEST_TRIGGER)

    Trigger.parse(raw, ORIGIN)

    with pytest.raises(MalformedTrigger, match="larger than 1048576 bytes"):
        Trigger.parse(raw + b" ", ORIGIN)


def test_a_source_of_one_profile_gives_it_to_each_trigger() -> None:
    assert parse().profile == parse(profile=PROFILE).profile == PROFILE


def test_at_a_source_of_all_profiles_a_trigger_must_name_its_own() -> None:
    told = json.dumps(SMALLEST | {"profile": OTHER_PROFILE}).encode()

    assert Trigger.parse(told, SHARED).profile == OTHER_PROFILE

    with pytest.raises(MalformedTrigger, match="names its profile"):
        Trigger.parse(json.dumps(SMALLEST).encode(), SHARED)


def test_a_trigger_was_raised_no_later_than_its_deadline() -> None:
    trigger = parse(raised_at="2030-01-01T12:00:00Z", deadline="2030-01-01T11:59:59Z")

    assert trigger.lifetime.raised_at == trigger.lifetime.deadline


def test_a_deadline_that_has_passed_is_accepted_and_can_be_read_again() -> None:
    trigger = parse(deadline="2029-12-31T00:00:00Z")

    assert trigger.lifetime.raised_at == trigger.lifetime.deadline == NOON - 1.5 * DAY
    assert Trigger.decode(trigger.encode()) == trigger


@pytest.mark.parametrize("clock", [-7 * DAY, -DAY, timedelta(), DAY / 2, DAY])
def test_a_deadline_that_is_ours_counts_from_acceptance(clock: timedelta) -> None:
    trigger = parse(raised_at=(NOON + clock).isoformat())

    assert trigger.lifetime.raised_at == NOON + clock
    assert trigger.lifetime.deadline == NOON + DAY


def test_a_deadline_that_is_ours_does_not_come_before_the_trigger_was_raised() -> None:
    for raised_at in ("2030-02-01T12:00:00Z", "9999-12-31T23:59:59Z"):
        trigger = parse(raised_at=raised_at)

        assert trigger.lifetime.deadline == trigger.lifetime.raised_at
        assert Trigger.parse(trigger.encode(), LOG) == trigger


@given(document=GOOD)
def test_what_was_accepted_can_always_be_read_back(document: dict[str, object]) -> None:
    trigger = Trigger.parse(json.dumps(document).encode(), ORIGIN)

    encoded = trigger.encode()

    assert Trigger.decode(encoded) == trigger
    assert Trigger.decode(encoded).encode() == encoded


@pytest.mark.parametrize("shape", [lambda point: point, lambda point: [point]])
@given(document=GOOD, deep=st.integers(0, DEEPEST + 2))
def test_what_the_border_accepts_it_accepts_again_once_encoded(
    shape: Callable[[object], object], document: dict[str, object], deep: int
) -> None:
    data = shape({"metadata": nested(deep)})
    raw = json.dumps({**document, "data": data}).encode()
    try:
        trigger = Trigger.parse(raw, ORIGIN)
    except MalformedTrigger:
        assert deep > DEEPEST - 3
        return

    assert deep <= DEEPEST - 3
    assert Trigger.decode(trigger.encode()) == trigger
    assert Trigger.parse(trigger.encode(), LOG) == trigger


@pytest.mark.parametrize(
    "filling", ["\x7f", "é", "水", "😀", '\\"', "\\u0001", "\\n"], ids=ascii
)
def test_the_largest_trigger_of_any_text_can_be_read_back(filling: str) -> None:
    raw = filled(filling, LARGEST_TRIGGER)

    trigger = Trigger.parse(raw, ORIGIN)

    assert len(raw) > LARGEST_TRIGGER - 8
    assert Trigger.decode(trigger.encode()) == trigger
    assert Trigger.parse(trigger.encode(), LOG) == trigger


def test_a_data_point_of_a_text_written_in_ascii_is_as_small_as_in_utf_8() -> None:
    raw = filled("\\u6c34", 2 * LARGEST_TRIGGER - 1000)

    trigger = Trigger.parse(raw, LOG)

    assert len(trigger.encode()) < LARGEST_TRIGGER
    assert Trigger.parse(trigger.encode(), ORIGIN) == trigger


@given(
    number=st.sampled_from(["1e15", "9E+14", "-1e15", "1e-5", "-0", "1E16", "0.5"])
    | st.floats(allow_nan=False, allow_infinity=False).map(repr),
    share=st.integers(2, 9),
)
@settings(max_examples=20)
def test_numbers_that_are_written_longer_are_refused_or_can_be_read_back(
    number: str, share: int
) -> None:
    numbers = ",".join([number] * (LARGEST_TRIGGER // share // (len(number) + 1)))
    raw = f'{{"action": "{MAIL_ACTION}", "data": {{"all": [{numbers}]}}}}'.encode()
    try:
        trigger = Trigger.parse(raw, ORIGIN)
    except MalformedTrigger:
        assert len(repr(float(number))) > len(number)
        return

    assert Trigger.parse(trigger.encode(), LOG) == trigger


def test_data_that_grows_beyond_the_limit_is_refused_at_the_border() -> None:
    numbers = ",".join(["1e15"] * (LARGEST_TRIGGER // 6))
    raw = f'{{"action": "{MAIL_ACTION}", "data": {{"all": [{numbers}]}}}}'.encode()

    for origin in (ORIGIN, LOG):
        with pytest.raises(MalformedTrigger, match="its data is larger than 1048576"):
            Trigger.parse(raw, origin)


def test_what_an_older_release_accepted_one_level_deeper_is_decoded() -> None:
    point = {"metadata": nested(DEEPEST - 2)}
    stored = parse().encode().replace(b"[]", f"[{json.dumps(point)}]".encode())

    assert Trigger.decode(stored).data[0].fields == point


@given(raw=st.binary() | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_trigger_or_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedTrigger):
        Trigger.parse(raw, ORIGIN)
    with pytest.raises(MalformedTrigger):
        Trigger.decode(raw)


@given(document=ODD)
def test_any_fields_are_a_trigger_or_malformed(
    document: dict[str, object],
) -> None:
    try:
        trigger = Trigger.parse(json.dumps(document).encode(), ORIGIN)
    except MalformedTrigger:
        return
    assert Trigger.decode(trigger.encode()) == trigger


@pytest.mark.parametrize(
    "fields", [{"key": "canary" * 99}, {"data": {"location": {"lat": "canary"}}}]
)
def test_a_refusal_does_not_quote_the_data(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedTrigger) as refusal:
        parse(**fields)

    assert "canary" not in repr(refusal.value)
    assert refusal.value.__suppress_context__


def test_an_instant_prints_with_milliseconds_and_z() -> None:
    east = timezone(timedelta(hours=1))

    assert wire_instant(NOON) == "2030-01-01T12:00:00.000Z"
    assert wire_instant(NOON.astimezone(east)) == "2030-01-01T12:00:00.000Z"


def test_at_the_end_of_the_calendar_a_deadline_stays_there() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    origin = replace(ORIGIN, now=lambda: last)

    trigger = Trigger.parse(json.dumps(SMALLEST).encode(), origin)

    assert trigger.lifetime.deadline == last


# The date of its message

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "off",
    [timedelta(), -DAY, timedelta(minutes=5), timedelta(hours=-23)],
    ids=str,
)
def test_a_message_is_dated_when_its_trigger_was_raised(off: timedelta) -> None:
    lifetime = Lifetime(raised_at=NOON + off, deadline=NOON + DAY)

    assert lifetime.dated(NOON).date == lifetime.date == NOON + off


@pytest.mark.parametrize(
    "raised_at",
    [
        NOON - DAY - timedelta.resolution,
        NOON + timedelta(minutes=5) + timedelta.resolution,
        datetime(1970, 1, 1, tzinfo=UTC),
        FIRST,
        LAST,
    ],
    ids=str,
)
def test_a_message_whose_trigger_was_raised_far_away_is_dated_when_it_was_first_seen(
    raised_at: datetime,
) -> None:
    lifetime = Lifetime(raised_at=raised_at, deadline=LAST)

    assert lifetime.dated(NOON).date == NOON
    assert lifetime.dated(NOON).raised_at == raised_at


@given(
    raised_at=st.datetimes(timezones=st.just(UTC)),
    first_seen=st.datetimes(timezones=st.just(UTC)),
)
def test_no_message_is_dated_far_from_when_it_was_first_seen(
    raised_at: datetime, first_seen: datetime
) -> None:
    lifetime = Lifetime(raised_at=raised_at, deadline=LAST).dated(first_seen)

    assert -DAY <= lifetime.date - first_seen <= timedelta(minutes=5)


def test_a_producer_cannot_set_the_date() -> None:
    with pytest.raises(MalformedTrigger):
        parse(dated_at=NOON.isoformat())


def test_of_two_that_are_accepted_at_one_time_each_has_its_own_publisher() -> None:
    raw = json.dumps(SMALLEST).encode()

    publishers = ["a" * 24, "b" * 24, None]
    read = [Trigger.parse(raw, replace(ORIGIN, publisher=each)) for each in publishers]

    assert [each.lifetime.publisher for each in read] == publishers
