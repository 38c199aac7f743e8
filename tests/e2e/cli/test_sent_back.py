"""Sent back: what `show --json` prints goes into `create` and `edit` as it is."""

import json

import pytest

from tests.e2e.cli.command import Document, Keyrelay
from tests.e2e.cli.definitions import (
    SMTP,
    create_action,
    create_policy,
    create_secret,
    mail_action,
)

READ_ONLY: Document = {
    "profile": "0" * 24,
    "token": "t",
    "console": [],
    "last_run": "never",
    "last_state": "done",
    "last_triggered": "2026-01-02 03:04:05.678000",
    "version": 7,
    "versions": {},
    "locked_at": "never",
    "remarks": ["it is new"],
}


@pytest.fixture
def made(keyrelay: Keyrelay) -> Keyrelay:
    create_action(keyrelay, create_secret(keyrelay))
    create_policy(keyrelay)
    return keyrelay


def shown(keyrelay: Keyrelay, noun: str, name: str) -> Document:
    return {**keyrelay(noun, "show", name, "--json").document, **READ_ONLY}


@pytest.mark.parametrize(
    ("noun", "name"),
    [("secret", "mail"), ("action", "tell"), ("policy", "north uses its own")],
)
def test_a_whole_definition_is_an_edit(made: Keyrelay, noun: str, name: str) -> None:
    whole = shown(made, noun, name)
    file = made.write("whole.json", {**whole, "tags": [{"key": "a", "value": "b"}]})

    after = made(noun, "edit", name, "--file", file, "--json").document

    assert after["tags"] == [{"key": "a", "value": "b"}]
    assert after["id"] == whole["id"]
    same = whole.keys() - {"tags", "updated_at"} - READ_ONLY.keys()
    assert {field: after[field] for field in same} == {f: whole[f] for f in same}


@pytest.mark.parametrize(
    ("noun", "name"), [("action", "tell"), ("policy", "north uses its own")]
)
def test_a_whole_definition_with_another_name_is_a_duplicate(
    made: Keyrelay, noun: str, name: str
) -> None:
    whole = shown(made, noun, name)
    file = made.write("whole.json", {**whole, "name": "another"})

    id_ = made(noun, "create", "--file", file).id

    assert id_ != whole["id"]
    twin = made(noun, "show", "another", "--json").document
    unsent = {"last_triggered", "remarks"}
    assert twin.keys() - unsent == whole.keys() - READ_ONLY.keys()


def test_a_whole_secret_with_a_key_and_a_value_is_a_duplicate(made: Keyrelay) -> None:
    whole = shown(made, "secret", "mail")
    file = made.write("whole.json", {**whole, "key": "another"})
    value = made.write("value", json.dumps(SMTP))

    assert made("secret", "create", "--file", file, "--value-file", value).id

    assert made("secret", "show", "another", "--json").document["type"] == "smtp"


def test_a_secrets_key_never_changes(made: Keyrelay) -> None:
    file = made.write("whole.json", {**shown(made, "secret", "mail"), "key": "other"})

    said = made("secret", "edit", "mail", "--file", file)

    assert said.code == 1
    assert said.is_one_sentence
    assert "key never changes" in said.err


@pytest.mark.parametrize("noun", ["action", "policy"])
def test_any_other_field_is_refused(made: Keyrelay, noun: str) -> None:
    name = "tell" if noun == "action" else "north uses its own"
    file = made.write("whole.json", {**shown(made, noun, name), "colour": "red"})

    said = made(noun, "edit", name, "--file", file)

    assert said.code == 1
    assert "no field 'colour'" in said.err


def test_a_second_action_of_one_name_is_refused_when_made(made: Keyrelay) -> None:
    secret = made("secret", "show", "mail", "--json").document["id"]
    first = made("action", "show", "tell", "--json").document["id"]
    other = create_action(made, str(secret), "other")
    again = made.write("again.json", mail_action(str(secret), "tell"))
    renamed = made.write("renamed.json", {"name": "tell"})

    refused = [
        made("action", "create", "--file", again),
        made("action", "edit", other, "--file", renamed),
    ]
    same = made("action", "edit", "tell", "--file", renamed)

    assert [said.code for said in refused] == [1, 1]
    assert all(str(first) in said.err and said.is_one_sentence for said in refused)
    assert same.code == 0
    assert len(made("action", "list", "--json").documents) == 2
