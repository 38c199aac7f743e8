"""The schema of triggers in OpenAPI: what is accepted fits it."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from keyrelay.api.trigger_documents import TRIGGER
from keyrelay.model.trigger import MalformedTrigger, Trigger
from tests.samples import MAIL_ACTION, ORIGIN, PROFILE

VALIDATOR = Draft202012Validator(dict(TRIGGER))
TEXTS = st.none() | st.text(max_size=3) | st.sampled_from(["a.b", "a..b", "x" * 129])
VALUES = TEXTS | st.integers() | st.booleans() | st.lists(st.none(), max_size=2)
POINTS = st.dictionaries(
    st.sampled_from(["variable", "value", "unit", "time", "device", "location", "x"]),
    VALUES,
    max_size=4,
)
FIELDS = {
    "id": TEXTS,
    "profile": st.sampled_from([None, PROFILE, "A" * 24]) | VALUES,
    "action": st.sampled_from([MAIL_ACTION, "C" * 24, None]) | VALUES,
    "data": POINTS | st.lists(POINTS, max_size=3) | VALUES,
    "key": TEXTS,
    "raised_at": st.sampled_from(["2030-01-01T00:00:00Z", "now"]) | TEXTS,
    "deadline": st.sampled_from(["2030-01-01T00:00:00+01:00", "soon"]) | TEXTS,
    "colour": st.none(),
}


def is_taken(document: Mapping[str, object]) -> bool:
    try:
        Trigger.parse(json.dumps(document).encode(), ORIGIN)
    except MalformedTrigger:
        return False
    return True


@given(
    document=st.fixed_dictionaries(
        {"action": FIELDS["action"]},
        optional={name: each for name, each in FIELDS.items() if name != "action"},
    )
)
def test_what_is_accepted_fits_the_schema(document: Mapping[str, object]) -> None:
    assert VALIDATOR.is_valid(document) or not is_taken(document)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "x"},
        {"action": None},
        {"id": "a..b"},
        {"id": ""},
        {"profile": "x"},
        {"data": 7},
        {"data": [7]},
        {"data": {"value": []}},
        {"data": [{}] * 1001},
        {"key": "k" * 129},
        {"raised_at": 7},
        {"colour": "red"},
    ],
)
def test_what_the_schema_refuses_is_refused(change: Mapping[str, object]) -> None:
    document = {"action": MAIL_ACTION, **change}

    assert not VALIDATOR.is_valid(document)
    assert not is_taken(document)
