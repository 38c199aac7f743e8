"""Unreadable rows at the command line: listed, shown, exported and dropped."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import (
    create_action,
    create_policy,
    create_secret,
)

DAMAGED = b"\x7b\xff"


def execute(keyrelay: Keyrelay, *statements: str, file: str = "keyrelay.db") -> None:
    database = sqlite3.connect(keyrelay.home / file)
    with closing(database), database:
        for statement in statements:
            assert database.execute(statement).rowcount == 1


@pytest.fixture
def letters(keyrelay: Keyrelay) -> Keyrelay:
    """An installation with three letters, of which the one in the middle is damaged."""
    create_action(keyrelay, create_secret(keyrelay))
    for id_ in ("t1", "t2", "t3"):
        keyrelay("trigger", "publish", "--action", "tell", "--id", id_)
    keyrelay("worker", "--drain")
    execute(
        keyrelay, "UPDATE dead_letters SET document = x'7bff' WHERE \"trigger\" = 't2'"
    )
    return keyrelay


def test_a_letter_that_cannot_be_read_is_listed_among_the_others(
    letters: Keyrelay,
) -> None:
    listed = letters("dead-letter", "list", "--json").documents
    unreadable = letters("dead-letter", "list", "--unreadable", "--json").documents

    assert {each["trigger"] for each in listed} == {"t1", "t2", "t3"}
    assert [(each["trigger"], each["fault"]) for each in unreadable] == [
        ("t2", "unreadable")
    ]
    assert letters("dead-letter", "list", "--unreadable", "--limit", "1").code == 0


def test_its_bytes_are_shown_and_exported(letters: Keyrelay) -> None:
    shown = letters("dead-letter", "show", "t2", "--json").document["stored"]
    sound = letters("dead-letter", "export", "t1")

    assert isinstance(shown, dict)
    assert base64.b64decode(shown["document"]["base64"]) == DAMAGED
    assert '"id": "t1"' in sound.out or '"id":"t1"' in sound.out
    assert letters("trigger", "show", "t2").code == 0


def test_the_others_are_redriven_and_it_is_dropped(letters: Keyrelay) -> None:
    redriven = letters("dead-letter", "redrive", "--all")

    assert (redriven.code, sorted(redriven.out.split())) == (1, ["t1", "t3"])
    assert "`keyrelay dead-letter export` gives its bytes" in redriven.err
    assert letters("dead-letter", "drop", "--all", "--yes").out == "t2\n"
    assert letters("dead-letter", "list", "--json").documents == []


def test_what_cannot_be_read_in_the_queue_is_buried_and_holds_nothing_up(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    for id_ in ("t1", "t2", "t3"):
        keyrelay("trigger", "publish", "--action", "tell", "--id", id_)
    execute(
        keyrelay,
        "UPDATE triggers SET body = x'7bff' WHERE id = 't2'",
        file="queue.db",
    )

    worked = keyrelay("worker", "--drain")

    unreadable = keyrelay("dead-letter", "list", "--unreadable", "--json").documents
    assert [each["trigger"] for each in unreadable] == ["t2"]
    shown = keyrelay("dead-letter", "show", "t2", "--json").document["stored"]
    assert isinstance(shown, dict)
    assert base64.b64decode(shown["document"]["base64"]) == DAMAGED
    assert "buried" in keyrelay("trigger", "show", "t2").out
    assert len(keyrelay("dead-letter", "list", "--json").documents) == 3, worked.err
    (told,) = [
        each
        for each in keyrelay("audit", "list", "--json").documents
        if each.get("change") == "buried"
    ]
    assert told["subject"] == "t2"
    assert keyrelay("dead-letter", "redrive", "t2").code == 1
    assert keyrelay("dead-letter", "drop", "t2", "--yes").out == "t2\n"


def test_whatever_is_damaged_in_the_queue_all_is_shown_and_all_comes_to_an_end(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    damages = (
        *("attempts = 'many'", "settlement = 'words'", "reason = x'ff'"),
        *("held = x'ff'", "due = 'words'", "waits_for = x'ff'", "action = x'ff'"),
        *("accepted_at = 'words'", "key = x'ff'", "token = x'ff'", "done = 'words'"),
    )
    ids = [f"t{number}" for number in range(len(damages))]
    for id_ in ids:
        keyrelay("trigger", "publish", "--action", "tell", "--id", id_)
    for id_, damage in zip(ids, damages, strict=True):
        one = f"UPDATE triggers SET {damage} WHERE id = '{id_}'"  # noqa: S608
        execute(keyrelay, one, file="queue.db")

    listed = keyrelay("trigger", "list", "--json").documents
    table = keyrelay("trigger", "list")
    shown = [keyrelay("trigger", "show", id_) for id_ in ids]
    held = keyrelay("trigger", "hold", ids[0], ids[-1])
    released = keyrelay("trigger", "release", ids[0], ids[-1])
    worked = keyrelay("worker", "--drain")
    ended = [keyrelay("trigger", "show", id_, "--json").document for id_ in ids]

    assert [each["id"] for each in listed] == ids
    assert (table.code, {each.code for each in shown}) == (0, {0})
    assert (held.out.split(), held.code) == ([ids[0], ids[-1]], 0), held.err
    assert (released.out.split(), released.code) == ([ids[0], ids[-1]], 0), released.err
    assert {each["state"] for each in ended} == {"buried"}, worked.err
    assert "Traceback" not in worked.err


@pytest.mark.parametrize("noun", ["secret", "action", "policy"])
def test_a_definition_that_cannot_be_read_is_listed_shown_and_deleted(
    keyrelay: Keyrelay, noun: str
) -> None:
    secret = create_secret(keyrelay)
    ids = {
        "secret": create_secret(keyrelay, "spare", "text"),
        "action": create_action(keyrelay, secret),
        "policy": create_policy(keyrelay),
    }
    table = {"secret": "secrets", "action": "actions", "policy": "policies"}[noun]
    execute(
        keyrelay,
        f"UPDATE {table} SET updated_at = 'words' WHERE id = '{ids[noun]}'",  # noqa: S608
    )

    (listed,) = [
        each
        for each in keyrelay(noun, "list", "--json").documents
        if "unreadable" in each
    ]
    shown = keyrelay(noun, "show", ids[noun], "--json").document
    edited = keyrelay(noun, "edit", ids[noun], "--file", _file(keyrelay))

    assert listed["id"] == ids[noun]
    assert isinstance(shown["stored"], dict)
    assert shown["stored"]["updated_at"] == "words"
    assert edited.code == 1
    assert "cannot be read" in edited.err
    assert keyrelay(noun, "delete", ids[noun]).id == ids[noun]
    assert keyrelay(noun, "list").code == 0


def test_a_record_that_cannot_be_read_is_listed_and_shown(keyrelay: Keyrelay) -> None:
    create_policy(keyrelay)
    ids = [each["id"] for each in keyrelay("audit", "list", "--json").documents]
    execute(keyrelay, f"UPDATE audit_records SET at = 'x' WHERE id = '{ids[0]}'")  # noqa: S608

    listed = keyrelay("audit", "list", "--json").documents
    shown = keyrelay("audit", "show", str(ids[0]), "--json").document

    assert {each["id"] for each in listed} == set(ids)
    assert isinstance(shown["stored"], dict)
    assert shown["stored"]["at"] == "x"


def _file(keyrelay: Keyrelay) -> Path:
    return keyrelay.write("changes.json", {"tags": []})
