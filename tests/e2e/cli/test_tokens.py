"""Tokens, on the command line: shown once where they are made, and nowhere else."""

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.cli.command import Document, Keyrelay, Said, contents
from tests.e2e.cli.definitions import create_action, create_secret

TOKEN = re.compile(r"[pto]-[A-Za-z0-9_-]{36}")


def tokens_in(said: Said) -> Sequence[str]:
    return TOKEN.findall(said.out + said.err)


def create(keyrelay: Keyrelay, *arguments: str) -> str:
    said = keyrelay("token", "create", *arguments)
    assert said.code == 0, said
    return said.out.strip()


def listed(keyrelay: Keyrelay, *options: str) -> dict[str, Document]:
    found = keyrelay("token", "list", "--json", *options).documents
    return {str(each["name"]): each for each in found}


def test_a_token_stands_alone_on_standard_output_once(keyrelay: Keyrelay) -> None:
    made = keyrelay("token", "create", "ci", "--permission", "write")

    token = made.out.removesuffix("\n")
    assert TOKEN.fullmatch(token)
    assert token not in made.err
    assert "ci (" in made.err
    for command in (["token", "list"], ["token", "list", "--json"], ["audit", "list"]):
        said = keyrelay(*command)
        assert said.code == 0
        assert token not in said.out + said.err
    shown = listed(keyrelay)["ci"]
    assert token.startswith(str(shown["prefix"]))
    assert (shown["kind"], shown["permission"]) == ("profile", "write")
    assert shown["expire_time"] == "never"
    assert str(shown["created_by"]).startswith("cli:")


def test_a_token_is_in_no_file_of_the_installation(keyrelay: Keyrelay) -> None:
    tokens = [create(keyrelay, "ci"), create(keyrelay, "boiler", "--producer")]
    new = keyrelay("init", "--profile", "north", "--json").document
    tokens.append(str(new["token"]))
    for name in ("ci", "boiler"):
        assert keyrelay("token", "revoke", name).code == 0

    for raw in contents(keyrelay.home).values():
        for token in tokens:
            assert token.encode() not in raw
            assert token[10:].encode() not in raw


def test_a_token_says_in_json_what_it_is(keyrelay: Keyrelay) -> None:
    made = keyrelay("token", "create", "ci", "--expires", "90d", "--json").document

    assert TOKEN.fullmatch(str(made["token"]))
    assert made["permission"] == "read"
    assert str(made["expire_time"]).endswith("Z")
    assert {**made} == {**listed(keyrelay)["ci"], "token": made["token"]}


def test_a_producer_token_is_bound_to_actions_by_their_names(
    keyrelay: Keyrelay,
) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))

    token = create(keyrelay, "boiler", "--producer", "--action", "tell")

    assert token.startswith("t-")
    shown = listed(keyrelay)["boiler"]
    assert (shown["kind"], shown["actions"]) == ("producer", [action])
    assert create(keyrelay, "all", "--producer").startswith("t-")
    assert listed(keyrelay)["all"]["actions"] is None


def test_an_operator_token_says_that_it_is_of_the_installation(
    keyrelay: Keyrelay,
) -> None:
    made = keyrelay("token", "create", "watch", "--operator")

    assert made.out.startswith("o-")
    assert "of the whole installation" in made.err
    assert "operator" in keyrelay("token", "list").out


@pytest.mark.parametrize(
    "options",
    [
        ["--permission", "admin"],
        ["--expires", "soon"],
        ["--expires", "2001-01-01T00:00:00Z"],
        ["--producer", "--action", "none"],
    ],
    ids=" ".join,
)
def test_what_no_token_has_is_refused(
    keyrelay: Keyrelay, options: Sequence[str]
) -> None:
    said = keyrelay("token", "create", "ci", *options)

    assert said.code == 1
    assert said.is_one_sentence
    assert listed(keyrelay) == {}


@pytest.mark.parametrize(
    "options",
    [
        ["--producer", "--operator"],
        ["--producer", "--permission", "read"],
        ["--operator", "--permission", "full"],
        ["--action", "tell"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_together_are_refused(
    keyrelay: Keyrelay, options: Sequence[str]
) -> None:
    said = keyrelay("token", "create", "ci", *options)

    assert said.code == 2
    assert said.is_one_sentence


@pytest.mark.parametrize("by", ["id", "beginning", "name", "prefix", "whole"])
def test_a_token_is_revoked_by_what_people_have_of_it(
    keyrelay: Keyrelay, by: str
) -> None:
    create(keyrelay, "other")
    token = create(keyrelay, "ci")
    shown = listed(keyrelay)["ci"]
    known = {
        "id": str(shown["id"]),
        "beginning": str(shown["id"])[:20],
        "name": "ci",
        "prefix": str(shown["prefix"]),
        "whole": token,
    }

    assert keyrelay("token", "revoke", known[by]).id == shown["id"]

    assert set(listed(keyrelay)) == {"other"}


def test_a_name_of_two_tokens_revokes_neither(keyrelay: Keyrelay) -> None:
    create(keyrelay, "ci")
    create(keyrelay, "ci")

    said = keyrelay("token", "revoke", "ci")

    assert said.code == 1
    assert "2 are called 'ci'; say which by id" in said.err
    assert len(keyrelay("token", "list", "--json").documents) == 2


def test_an_unknown_token_is_not_repeated_in_whole(keyrelay: Keyrelay) -> None:
    whole = "p-" + "Aa0_" * 9

    said = keyrelay("token", "revoke", whole)

    assert said.code == 1
    assert "there is no token 'p-Aa0_Aa0_'" in said.err
    assert whole not in said.err
    assert keyrelay("token", "revoke", "7" * 24).code == 1


def test_a_row_that_cannot_be_read_is_listed_and_can_be_revoked(
    keyrelay: Keyrelay,
) -> None:
    create(keyrelay, "ci")
    alter(keyrelay, "UPDATE tokens SET document = 'x'")

    (line,) = keyrelay("token", "list", "--json").documents

    assert line["name"] == "ci"
    assert "unreadable" in line
    assert keyrelay("token", "revoke", "ci").code == 0


def test_an_altered_token_is_named_by_the_check(keyrelay: Keyrelay) -> None:
    create(keyrelay, "ci")
    alter(keyrelay, "UPDATE tokens SET document = replace(document, 'read', 'full')")

    said = keyrelay("key", "status", "--check")

    assert said.code == 4
    assert "token" in said.err
    assert "its row was edited outside Keyrelay" in said.err


def test_tokens_are_not_exported(keyrelay: Keyrelay) -> None:
    create(keyrelay, "ci")

    exported = keyrelay("export").document

    assert set(exported) == {"secrets", "analyses", "actions", "policies"}
    file = keyrelay.write("definitions.json", json.dumps(exported))
    assert keyrelay("apply", "--file", file, "--prune", "--yes").code == 0
    assert set(listed(keyrelay)) == {"ci"}


def test_a_profile_that_init_makes_gets_a_first_token_with_all_rights(
    keyrelay: Keyrelay,
) -> None:
    said = keyrelay("init", "--profile", "north")

    (token,) = tokens_in(said)
    assert said.out.splitlines()[-1].endswith(token)
    found = keyrelay("--profile", "north", "token", "list", "--json").documents
    assert [each["name"] for each in found] == ["first"]
    assert (found[0]["permission"], found[0]["kind"]) == ("full", "profile")
    assert token.startswith(str(found[0]["prefix"]))


def test_an_installation_that_init_makes_has_a_first_token(
    keyrelay: Keyrelay, tmp_path: Path
) -> None:
    home = str(tmp_path / "another")

    made = keyrelay("--home", home, "init", "--json").document

    assert TOKEN.fullmatch(str(made["token"]))
    (first,) = keyrelay("--home", home, "token", "list", "--json").documents
    assert str(made["token"]).startswith(str(first["prefix"]))


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["for people", "json"])
def test_init_prints_no_token_where_it_makes_no_profile_or_none_is_wanted(
    keyrelay: Keyrelay, tmp_path: Path, options: Sequence[str]
) -> None:
    home = str(tmp_path / "another")
    tried = [
        keyrelay("init", *options),
        keyrelay("init", "--profile", "north", "--no-token", *options),
        keyrelay("--home", home, "init", "--no-token", *options),
    ]

    for said in tried:
        assert said.code == 0
        assert tokens_in(said) == []
    for where in (["--profile", "north"], ["--home", home]):
        assert keyrelay(*where, "token", "list", "--json").documents == []


def alter(keyrelay: Keyrelay, statement: str) -> None:
    with sqlite3.connect(keyrelay.home / "keyrelay.db") as database:
        database.execute(statement)
    database.close()
