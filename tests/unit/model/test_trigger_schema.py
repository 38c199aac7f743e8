"""The published schema: it refuses nothing that is a trigger, and it can be told what
it lets through that is none."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from keyrelay.model.trigger import MalformedTrigger, Trigger
from tests.samples import ORIGIN
from tests.triggers import GOOD, ODD, REFUSED, SMALLEST

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads((DOCS / "trigger.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
# What no schema can say, and one thing that Python's `$` does not say.
BEYOND_A_SCHEMA: list[tuple[str, object]] = [
    ("id", "a\n"),
    ("profile", "b" * 24),
    ("raised_at", "noon"),
    ("raised_at", "2030-01-01T12:00:00"),
    ("raised_at", "2030-01-01"),
    ("raised_at", "0001-01-01T00:00:00+14:00"),
    ("deadline", "9999-12-31T23:59:59-14:00"),
]


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
    assert VALIDATOR.is_valid(document) or not is_trigger(document)


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
