from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.action import Action
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.settlement import STANDARD, Schedule
from keyrelay.model.tags import Tag, Tagged
from tests.samples import (
    ACTIONS,
    ANALYSIS,
    MAIL_ACTION,
    MAIL_DOES,
    PROFILE,
    QUEUE_DOES,
)

MAIL: Mapping[str, object] = {"name": "Tell", "action": MAIL_DOES}


QUEUE: Mapping[str, object] = {"name": "Tell", "action": QUEUE_DOES}


def parse(document: Mapping[str, object]) -> Action:
    return ACTIONS.parse(document, MAIL_ACTION, PROFILE)


def test_the_smallest_action_is_active_and_unlocked() -> None:
    action = parse(MAIL)

    assert action.tagged == Tagged(
        kind="action", profile=PROFILE, id=MAIL_ACTION, tags=()
    )
    assert (action.name, action.active, action.locked) == ("Tell", True, False)
    assert action.schedule == STANDARD


def test_an_action_is_read_whole() -> None:
    action = parse(
        {
            **MAIL,
            "active": False,
            "lock": True,
            "tags": [{"key": "site", "value": "north"}],
            "description": "Tells somebody.\n",
            "type": "mqtt_topic",
            "trigger": [{"whatever": 1}],
            "trigger_when_unlock": True,
            "retry": {"attempts": 3, "first_seconds": 1, "longest_seconds": 60},
        }
    )

    assert (action.active, action.locked) == (False, True)
    assert action.tagged.tags == (Tag("site", "north"),)
    assert action.schedule == Schedule(
        attempts=3, first=timedelta(seconds=1), longest=timedelta(minutes=1)
    )


def test_a_description_may_be_null() -> None:
    assert parse({**MAIL, "description": None}) == parse(MAIL)


REFUSED: list[tuple[str, object, str]] = [
    ("name", None, "name must be a string"),
    ("name", "", "name must have 1 to 100 characters"),
    ("name", "Tell\u200b", "name must not hold invisible characters"),
    ("active", 1, "active must be true or false"),
    ("lock", "no", "lock must be true or false"),
    ("tags", None, "tags must be a list"),
    ("description", "d" * 2001, "description must have 0 to 2000 characters"),
    ("trigger", {}, "trigger must be a list"),
    ("trigger", [0] * 101, "trigger must have at most 100 entries"),
    ("trigger_when_unlock", 0, "trigger_when_unlock must be true or false"),
    ("type", "whenever", "type must be one of condition, resource, interval"),
    ("type", ["condition"], "type must be one of condition, resource, interval"),
    ("action", None, "action must be an object"),
    ("action", {}, "a supported kind: email-smtp, queue-sqs and script$"),
    ("action", {"type": "sms"}, "a supported kind: email-smtp, queue-sqs and script$"),
    ("action", {"type": "script"}, "script must be a list"),
    ("action", {"type": "script", "script": []}, "script is a list of analyses'"),
    ("action", {"type": "script", "script": ["a"]}, "script is a list of analyses'"),
    ("action", {"type": "script", "script": [ANALYSIS] * 2}, "an analysis twice"),
    ("action", {"type": "script", "script": [ANALYSIS] * 11}, "at most 10"),
    ("action", {"type": "script", "secret": "0"}, "a script action has no field"),
    ("lokc", True, "an action has no field 'lokc'"),
    ("retry", [], "retry must be an object"),
    ("retry", {"atempts": 1}, "retry has no field 'atempts'"),
    ("retry", {"attempts": 0}, "retry.attempts must be a whole number from 1 to 100"),
    ("retry", {"attempts": 101}, "retry.attempts must be a whole number"),
    ("retry", {"attempts": True}, "retry.attempts must be a whole number"),
    ("retry", {"attempts": 1.0}, "retry.attempts must be a whole number"),
    ("retry", {"first_seconds": 0}, "retry.first_seconds .* from 1 to 86400"),
    ("retry", {"longest_seconds": 86401}, "retry.longest_seconds .* 1 to 86400"),
    ("retry", {"first_seconds": 901}, "retry.first_seconds must not exceed"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED)
def test_a_malformed_action_is_refused(
    field: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse({**MAIL, field: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    base=st.sampled_from([MAIL, QUEUE]),
    outer=st.dictionaries(
        st.sampled_from(["name", "active", "lock", "tags", "type", "trigger", "retry"]),
        JSON,
    ),
    inner=st.dictionaries(
        st.sampled_from(["to", "cc", "html", "message", "attributes", "group_id"]), JSON
    ),
)
def test_any_document_is_an_action_or_refused(
    base: Mapping[str, object], outer: dict[str, object], inner: dict[str, object]
) -> None:
    does = base["action"]
    assert isinstance(does, Mapping)
    try:
        action = parse({**base, **outer, "action": {**does, **inner}})
    except InvalidDefinition as refusal:
        words = str(refusal)
    else:
        words = action.name
    assert words
