"""Action writing: a form changes what was changed in it, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from keyrelay.console.action_form import shown_action, typed_action
from keyrelay.console.action_writing import changes_between, written_action
from keyrelay.console.given import Given
from tests.samples import ACTIONS, MAIL_DOES, QUEUE_DOES

MAIL, QUEUE = ACTIONS.types["email-smtp"], ACTIONS.types["queue-sqs"]

STORED: Mapping[str, Mapping[str, object]] = {
    "plain": {"name": "Tell", "action": MAIL_DOES},
    "empty members": {
        "name": "Tell",
        "action": {**MAIL_DOES, "cc": None, "bcc": ""},
        "description": None,
        "retry": {},
        "tags": [],
    },
    "conditions": {
        "name": "Tell",
        "action": MAIL_DOES,
        "type": "condition_geofence",
        "trigger": [{"is": ">", "value": "30"}],
        "trigger_when_unlock": True,
    },
    "lines and spaces": {
        "name": "Tell",
        "action": {
            **MAIL_DOES,
            "to": "ada@example.com\nbob@example.com",
            "message": " a\r\nb ",
            "subject": " $VALUE$ ",
        },
        "tags": [{"key": "team", "value": " north "}],
    },
    "schedule": {
        "name": "Tell",
        "action": MAIL_DOES,
        "type": "schedule",
        "trigger": [{"cron": "0 9 * * *", "timezone": None, "note": "kept"}],
        "active": False,
        "lock": True,
    },
    "interval": {
        "name": "Tell",
        "action": MAIL_DOES,
        "type": "interval",
        "trigger": [{"interval": "5 minutes"}],
        "retry": {"attempts": 3},
    },
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_a_form_that_nobody_touched_changes_nothing(
    stored: Mapping[str, object],
) -> None:
    written = written_action(shown_action(stored, MAIL), MAIL, stored)

    assert written == stored
    assert changes_between(written, {**stored, "id": "1", "last_triggered": "x"}) == {}


def test_what_comes_back_from_a_browser_untouched_changes_nothing() -> None:
    stored = STORED["lines and spaces"]
    shown = shown_action(stored, MAIL)
    pairs = [*shown.texts.items(), ("active", "on"), ("occasion", "programs")]
    tags = [("tag_key", "team"), ("tag_value", "north"), ("tag_key", "site")]
    given = Given((*pairs, *tags, ("tag_value", "1")))

    written = written_action(typed_action(given, MAIL), MAIL, stored)

    assert shown.texts["to"] == "ada@example.com; bob@example.com"
    assert changes_between(written, stored) == {
        "tags": [
            {"key": "team", "value": " north "},
            {"key": "site", "value": "1"},
        ]
    }


def test_only_what_was_changed_is_sent() -> None:
    stored = STORED["conditions"]
    form = shown_action(stored, MAIL)
    texts = {**form.texts, "name": "Other", "cc": "eve@example.com", "message": ""}

    written = written_action(replace(form, texts=texts), MAIL, stored)

    does = {**MAIL_DOES, "cc": "eve@example.com"}
    del does["message"]
    assert changes_between(written, stored) == {"name": "Other", "action": does}


def test_a_new_action_has_no_members_that_were_left_empty() -> None:
    typed = Given(
        (
            ("name", "Put"),
            ("sqs_secret", str(QUEUE_DOES["sqs_secret"])),
            ("attribute_name", "unit"),
            ("attribute_value", "$UNIT$"),
            ("attribute_name", ""),
            ("attribute_value", ""),
            ("delay_seconds", "a while"),
            ("active", "on"),
        )
    )

    written = written_action(typed_action(typed, QUEUE), QUEUE)

    assert written == {
        "name": "Put",
        "action": {
            **QUEUE_DOES,
            "attributes": {"unit": "$UNIT$"},
            "delay_seconds": "a while",
        },
    }


def test_what_raises_triggers_is_replaced_by_another() -> None:
    stored = STORED["interval"]
    form = shown_action(stored, MAIL)
    daily = [{"cron": "0 9 * * *", "timezone": ""}]
    schedule = replace(form, occasion="schedule", rows={**form.rows, "times": daily})
    programs = replace(form, occasion="programs", rows={**form.rows, "times": []})

    by_schedule = written_action(schedule, MAIL, stored)
    by_programs = written_action(programs, MAIL, stored)

    assert changes_between(by_schedule, stored) == {
        "type": "schedule",
        "trigger": [{"cron": "0 9 * * *"}],
    }
    assert changes_between(by_programs, stored) == {"type": "condition", "trigger": []}


def test_an_emptied_retry_is_taken_away() -> None:
    stored = STORED["interval"]
    form = shown_action(stored, MAIL)
    texts = {**form.texts, "retry_attempts": ""}

    written = written_action(replace(form, texts=texts), MAIL, stored)

    assert changes_between(written, stored) == {"retry": None}
