"""Export and apply: all definitions in one document, and made as it says."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.cli.command import Document, Keyrelay, Said
from tests.e2e.cli.definitions import (
    ALLOW,
    CANARY,
    NORTH,
    SMTP,
    create_action,
    create_policy,
    create_secret,
    secret,
)

READ_ONLY = {
    *("created_at", "updated_at", "version", "value_length"),
    *("paused", "pauses", "remarks", "last_triggered"),
}


@pytest.fixture
def made(keyrelay: Keyrelay) -> Keyrelay:
    mail = create_secret(keyrelay)
    action = create_action(keyrelay, mail)
    create_action(keyrelay, mail, "too warm")
    create_policy(keyrelay)
    by_id = [["action", "id", action]]
    permits = [{**PERMITS[0], "resource": ["secrets", "id", mail]}]
    create_policy(
        keyrelay,
        {"name": "by id", "targets": by_id, "permissions": permits, "active": False},
    )
    return keyrelay


PERMITS: Sequence[Document] = [
    {
        "effect": "allow",
        "action": ["access"],
        "resource": ["secrets", "tag_match", "team"],
    }
]


def exported(keyrelay: Keyrelay, *profile: str) -> Document:
    return keyrelay(*profile, "export").document


def applied(keyrelay: Keyrelay, document: Mapping[str, object], *more: str) -> Said:
    file = keyrelay.write("definitions.json", document)
    profile = more[:2] if more[:1] == ("--profile",) else ()
    rest = more[len(profile) :]
    return keyrelay(*profile, "apply", "--file", file, "--json", *rest)


def counts(said: Said) -> Mapping[str, object]:
    read = json.loads(said.out)
    assert isinstance(read, dict)
    steps = ("created", "changed", "unchanged", "deleted", "refused")
    return {step: read[step] for step in steps if read[step]}


def entry(document: Document, noun: str, name: str) -> Document:
    listed = document[noun]
    assert isinstance(listed, list)
    (found,) = [each for each in listed if name in (each.get("name"), each.get("key"))]
    assert isinstance(found, dict)
    return found


def test_all_definitions_are_exported_and_no_value(made: Keyrelay) -> None:
    document = exported(made)

    assert {noun: len(document[noun]) for noun in document} == {  # type: ignore[arg-type]
        "secrets": 1,
        "analyses": 0,
        "actions": 2,
        "policies": 2,
    }
    for noun, name in (("secret", "mail"), ("action", "tell"), ("policy", "by id")):
        shown = made(noun, "show", name, "--json").document
        plural = "policies" if noun == "policy" else f"{noun}s"
        wanted = {k: v for k, v in shown.items() if k not in READ_ONLY}
        assert entry(document, plural, name) == wanted
    assert CANARY not in json.dumps(document)


def test_an_export_goes_into_a_file_as_it_goes_into_a_pipe(
    made: Keyrelay, tmp_path: Path
) -> None:
    file = tmp_path / "definitions.json"

    said = made("export", "--file", file)

    assert (said.code, said.out) == (0, "")
    assert json.loads(file.read_text()) == exported(made)
    assert made("export", "--file", tmp_path / "no" / "where").is_one_sentence


def test_what_was_exported_changes_nothing(made: Keyrelay) -> None:
    records = len(made("audit", "list", "--json").documents)

    said = applied(made, exported(made))

    assert (said.code, counts(said)) == (0, {"unchanged": 5})
    assert len(made("audit", "list", "--json").documents) == records


def test_what_differs_is_made_so_once_and_is_on_record(made: Keyrelay) -> None:
    document = exported(made)
    entry(document, "secrets", "mail")["tags"] = [{"key": "team", "value": "south"}]
    entry(document, "actions", "tell")["lock"] = True
    entry(document, "policies", "by id")["name"] = "by its id"
    assert isinstance(document["policies"], list)
    document["policies"].append({**ALLOW, "name": "one more"})

    tried, said, again = (
        applied(made, document, "--dry-run"),
        applied(made, document),
        applied(made, document),
    )

    assert counts(tried) == counts(said) == {"created": 1, "changed": 3, "unchanged": 2}
    assert counts(again) == {"unchanged": 6}
    assert made("action", "show", "tell", "--json").document["lock"] is True
    assert made("secret", "show", "mail", "--json").document["version"] == 2
    records = made("audit", "list", "--kind", "change", "--json").documents[:4]
    assert {(each["noun"], each["change"]) for each in records} == {
        ("secret", "edited"),
        ("action", "edited"),
        ("policy", "edited"),
        ("policy", "created"),
    }


def test_in_another_profile_ids_stand_for_what_has_the_same_name(
    made: Keyrelay,
) -> None:
    document = exported(made)
    assert made("profile", "create", "south").code == 0
    file = made.write("mail.json", secret("mail", SMTP))
    assert made("--profile", "south", "secret", "create", "--file", file).code == 0

    first = applied(made, document, "--profile", "south")
    again = applied(made, document, "--profile", "south")

    assert (first.code, counts(first)) == (0, {"created": 4, "unchanged": 1})
    assert (again.code, counts(again)) == (0, {"unchanged": 5})
    there = exported(made, "--profile", "south")
    mail = entry(there, "secrets", "mail")["id"]
    tell = entry(there, "actions", "tell")
    assert mail != entry(document, "secrets", "mail")["id"]
    assert tell["action"]["smtp_secret"] == mail  # type: ignore[index]
    assert entry(there, "policies", "by id")["targets"] == [
        ["action", "id", tell["id"]]
    ]


def test_a_missing_secret_stops_what_needs_it_alone(made: Keyrelay) -> None:
    document = exported(made)
    assert made("profile", "create", "south").code == 0

    said = applied(made, document, "--profile", "south")

    assert said.code == 1
    assert counts(said) == {"created": 1, "refused": 4}
    told = said.err.splitlines()
    assert "keyrelay secret create --key mail --type smtp --tag team=north" in told[0]
    assert told[1:3] == [
        f"keyrelay: action {name!r}: it needs secret 'mail', which is not there"
        for name in ("tell", "too warm")
    ]
    assert CANARY not in said.err


def test_nothing_is_deleted_unless_it_is_asked_for(made: Keyrelay) -> None:
    document = exported(made)
    rest = {**document, "policies": [], "actions": [entry(document, "actions", "tell")]}

    kept = applied(made, rest)
    unasked = applied(made, rest, "--prune")
    tried = applied(made, rest, "--prune", "--dry-run")
    assert exported(made) == document
    pruned = applied(made, rest, "--prune", "--yes")

    assert counts(kept) == {"unchanged": 2}
    assert unasked.code == 2
    assert counts(tried) == counts(pruned) == {"unchanged": 2, "deleted": 3}
    assert exported(made) == rest


def test_nothing_is_deleted_while_anything_is_refused(made: Keyrelay) -> None:
    document = exported(made)
    broken = {"actions": [{"name": "tell", "action": {"type": "no such"}}]}

    said = applied(made, broken, "--prune", "--yes")

    assert (said.code, counts(said)) == (1, {"refused": 1})
    assert exported(made) == document


def test_people_read_a_line_for_each_change_and_a_sum(made: Keyrelay) -> None:
    document = exported(made)
    entry(document, "actions", "tell")["active"] = False
    file = made.write("definitions.json", document)

    said = made("apply", "--file", file, "--dry-run")

    assert said.out.splitlines() == [
        "changed action 'tell': active",
        "created 0, changed 1, unchanged 4, deleted 0, refused 0; nothing was written",
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"secrets": [{"key": "mail", "value": CANARY, "tags": NORTH}]},
        {"actions": {}},
        {"actions": [1]},
        {"actions": [{"id": CANARY, "name": "x"}]},
        {"policies": [{"name": "x"}, {"name": "x"}]},
        {"policies": [{"name": "x", "id": "a" * 24}, {"name": "y", "id": "a" * 24}]},
        {"others": []},
        {"policies": [{"name": 1}]},
    ],
)
def test_a_document_of_another_kind_is_refused_as_a_whole(
    made: Keyrelay, document: Document
) -> None:
    before = exported(made)

    said = applied(made, document)

    assert said.code == 1
    assert said.is_one_sentence
    assert CANARY not in said.err
    assert exported(made) == before


@pytest.mark.parametrize(
    ("noun", "fields", "reason"),
    [
        ("secrets", {"key": "mail", "type": "aws-sqs"}, "never changes"),
        ("actions", {"name": "new", "action": {}}, ""),
        ("policies", {"name": "new", "targets": 1}, ""),
    ],
)
def test_an_entry_that_cannot_be_is_refused_on_a_trial_too(
    made: Keyrelay, noun: str, fields: Document, reason: str
) -> None:
    for more in ((), ("--dry-run",)):
        said = applied(made, {noun: [fields]}, *more)

        assert (said.code, counts(said)) == (1, {"refused": 1})
        assert reason in said.err


def test_what_cannot_be_read_is_named_and_the_rest_is_exported(made: Keyrelay) -> None:
    with sqlite3.connect(made.home / "keyrelay.db") as database:
        database.execute("UPDATE actions SET document = '{' WHERE name = 'tell'")

    said = made("export")

    assert said.code == 1
    assert "cannot be read" in said.err
    assert [each["name"] for each in json.loads(said.out)["actions"]] == ["too warm"]
    again = applied(made, {"actions": [{"name": "tell", "lock": True}]})
    assert (again.code, counts(again)) == (1, {"refused": 1})
