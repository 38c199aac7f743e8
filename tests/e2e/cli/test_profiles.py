"""Profiles: what is in one profile is in no other."""

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import (
    bury,
    create_action,
    create_policy,
    create_secret,
    mail_action,
)

NOUNS = ["secret", "action", "policy", "attempt", "dead-letter"]
REACHES = [
    ("secret", "edit", "SECRET", "--tag", "team=south"),
    ("secret", "delete", "SECRET"),
    ("action", "edit", "ACTION", "--lock"),
    ("action", "delete", "ACTION"),
    ("policy", "edit", "POLICY", "--inactive"),
    ("policy", "delete", "POLICY"),
    ("policy", "explain", "--action", "ACTION", "--secret", "SECRET"),
    ("trigger", "publish", "--action", "ACTION"),
    ("dead-letter", "redrive", "t1"),
    ("dead-letter", "drop", "t1", "--yes"),
]


@pytest.fixture
def ids(keyrelay: Keyrelay) -> dict[str, str]:
    """Return what is in the default profile; there is an empty one beside it."""
    ids = {"secret": create_secret(keyrelay)}
    ids["action"] = create_action(keyrelay, ids["secret"])
    bury(keyrelay, "t1")
    ids["dead-letter"] = ids["trigger"] = "t1"
    ids["attempt"] = str(keyrelay("attempt", "list", "--json").documents[0]["id"])
    ids["audit"] = ids["attempt"]
    ids["policy"] = create_policy(keyrelay)
    assert keyrelay("init", "--profile", "south", "--no-token").code == 0
    return ids


def test_a_list_is_of_one_profile(keyrelay: Keyrelay, ids: dict[str, str]) -> None:
    for noun in NOUNS:
        listed = keyrelay("--profile", "south", noun, "list", "--json")

        assert listed.json == []
        assert ids[noun] in keyrelay(noun, "list").out


def test_an_id_of_another_profile_is_not_found(
    keyrelay: Keyrelay, ids: dict[str, str]
) -> None:
    for noun, id_ in ids.items():
        said = keyrelay("--profile", "south", noun, "show", id_)

        assert said.code == 1
        assert said.is_one_sentence
        assert keyrelay(noun, "show", id_).code == 0


def test_no_command_reaches_into_another_profile(
    keyrelay: Keyrelay, ids: dict[str, str]
) -> None:
    for arguments in REACHES:
        named = [ids[word.lower()] if word.isupper() else word for word in arguments]

        said = keyrelay("--profile", "south", *named)

        assert said.code == 1, said
        assert "there is no" in said.err
    changes = keyrelay("--profile", "south", "audit", "list", "--json").documents
    assert [change["noun"] for change in changes] == ["profile"]


def test_an_action_cannot_use_another_profiles_secret(
    keyrelay: Keyrelay, ids: dict[str, str]
) -> None:
    file = keyrelay.write("action.json", mail_action(ids["secret"]))

    said = keyrelay("--profile", "south", "action", "create", "--file", file)

    assert said.code == 1
    assert f"there is no secret {ids['secret']}" in said.err


def test_a_trigger_cannot_name_another_profile(
    keyrelay: Keyrelay, ids: dict[str, str]
) -> None:
    line = f'{{"action": "{ids["action"]}", "profile": "{"0" * 24}"}}\n'

    said = keyrelay("trigger", "publish", "--file", "-", stdin=line)

    assert said.code == 1
    assert "line 1: a trigger must not name another profile" in said.err


def test_a_profile_that_is_not_there_is_refused(keyrelay: Keyrelay) -> None:
    said = keyrelay("--profile", "west", "secret", "list")

    assert said.code == 1
    assert said.is_one_sentence
    assert "`keyrelay init --profile`" in said.err


def test_a_profile_is_made_listed_and_renamed(keyrelay: Keyrelay) -> None:
    north = keyrelay("profile", "create", "north").id
    again = keyrelay("profile", "create", "north")
    create_secret(keyrelay)

    renamed = keyrelay("profile", "rename", "default", "south", "--json").document
    there = ("--profile", "south", "profile", "rename")
    taken = keyrelay(*there, "north", "south")
    absent = keyrelay(*there, "default", "west")

    assert [again.code, taken.code] == [1, 1]
    assert "is there already" in taken.err
    assert absent.code == 1
    listed = keyrelay("--profile", "south", "profile", "list", "--json").documents
    assert listed == [{"id": north, "name": "north"}, renamed]
    # All that was its own still is.
    assert keyrelay("--profile", "south", "secret", "show", "mail").code == 0
    changes = keyrelay("--profile", "south", "audit", "list", "--kind", "change")
    assert "from now on south" in changes.out


def test_init_prints_the_id_that_triggers_name(keyrelay: Keyrelay) -> None:
    said = keyrelay("init", "--profile", "north", "--no-token")

    (north,) = [
        each
        for each in keyrelay("profile", "list", "--json").documents
        if each["name"] == "north"
    ]
    assert said.out == f"The profile north ({north['id']}) is there now.\n"


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ("kafka://h:9092?topic=t", "KEYRELAY_QUEUE=kafka://h:9092?topic=t&profile=w"),
        ("kafka://h:9092", "KEYRELAY_QUEUE=kafka://h:9092?profile=w"),
        ("kafka://h:9092?topic=t&profile=w", ""),
    ],
)
def test_init_shows_the_queue_of_one_profile(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch, queue: str, said: str
) -> None:
    monkeypatch.setenv("KEYRELAY_QUEUE", queue)

    err = keyrelay("init", "--profile", "w", "--no-token").err

    assert said in err
    assert ("KEYRELAY_QUEUE" in err) == bool(said)
