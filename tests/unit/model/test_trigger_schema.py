"""The published schema: it refuses nothing that is a trigger, and it can be told what
it lets through that is none."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from keyrelay.model.instant import PATTERN, parse_instant, wire_instant
from keyrelay.model.trigger import MalformedTrigger, Trigger
from tests.samples import ORIGIN, PROFILE
from tests.triggers import GOOD, ODD, REFUSED, SMALLEST

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads((DOCS / "trigger.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
# Which other profile there is, no schema can say.
BEYOND_A_SCHEMA: list[tuple[str, object]] = [("profile", "b" * 24)]


def is_trigger(document: Mapping[str, object]) -> bool:
    try:
        Trigger.parse(json.dumps(document).encode(), ORIGIN)
    except MalformedTrigger:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(document=GOOD)
def test_every_trigger_fits_the_schema(document: dict[str, object]) -> None:
    assert is_trigger(document)
    assert VALIDATOR.is_valid(document)


@given(document=ODD)
def test_what_the_schema_refuses_is_no_trigger(document: dict[str, object]) -> None:
    other = document.get("profile") not in (None, PROFILE)
    assert VALIDATOR.is_valid(document) == is_trigger(document) or other


@given(
    levels=st.integers(0, 36),
    listed=st.booleans(),
    kind=st.sampled_from(['{"a":%s}', "[%s]"]),
)
def test_schema_and_program_agree_on_how_deep_data_may_be(
    levels: int, kind: str, *, listed: bool
) -> None:
    value = "1"
    for _ in range(levels):
        value = kind % value
    point = {"m": json.loads(value)}
    document = {**SMALLEST, "data": [point] if listed else point}

    assert VALIDATOR.is_valid(document) == is_trigger(document)


DIGITS = st.integers(0, 99).map("{:02}".format)


@given(
    parts=st.tuples(
        st.sampled_from(["2024", "1900", "2000", "0000", "9999", "0001"]),
        *[DIGITS] * 5,
    ),
    end=st.sampled_from(["Z", "z", ".5Z", "+14:00", "-12:00", "", "+0530", "Z\n"]),
    blank=st.sampled_from(["T", "t", " ", "_"]),
)
def test_schema_and_program_agree_on_what_a_time_is(
    parts: tuple[str, ...], end: str, blank: str
) -> None:
    year, month, day, hour, minute, second = parts
    time = f"{year}-{month}-{day}{blank}{hour}:{minute}:{second}{end}"
    document = {**SMALLEST, "raised_at": time, "data": {"time": time}}

    assert VALIDATOR.is_valid(document) == is_trigger(document)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2016-12-31t23:59:60.5z", "2016-12-31T23:59:59.500Z"),
        ("2024-02-29 00:00:00+05:30", "2024-02-28T18:30:00.000Z"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_time_of_rfc_3339_is_read(written: str, read: str) -> None:
    instant = parse_instant(written, "a time")

    assert instant is not None
    assert wire_instant(instant) == read


def test_the_program_and_the_schema_have_the_same_pattern_of_times() -> None:
    assert SCHEMA["$defs"]["instant"]["pattern"] == PATTERN


@pytest.mark.parametrize(
    "location",
    [
        {"lat": 48.1, "lng": 11},
        {"lat": 1, "lng": 2, "coordinates": "whatever"},
        {"lat": "whatever", "coordinates": [11, 48.1, 519]},
        {"coordinates": [1, 2, "whatever"]},
    ],
)
def test_a_location_in_any_shape_fits(location: dict[str, object]) -> None:
    document = {**SMALLEST, "data": {"location": location}}

    assert is_trigger(document)
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize(("field", "value", "reason"), REFUSED)
def test_what_is_refused_does_not_fit_but_for_what_no_schema_can_say(
    field: str, value: object, reason: str
) -> None:
    document = {**SMALLEST, field: value}

    assert not is_trigger(document), reason
    assert VALIDATOR.is_valid(document) == ((field, value) in BEYOND_A_SCHEMA)
