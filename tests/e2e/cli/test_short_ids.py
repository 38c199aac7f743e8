"""Short ids: the beginning of an id is taken by every command that takes an id."""

from collections.abc import Callable, Sequence

import pytest

from tests.e2e.cli.command import Keyrelay, Said
from tests.e2e.cli.definitions import (
    ALLOW,
    bury,
    create_action,
    create_policy,
    create_secret,
)

Ids = dict[str, str]


@pytest.fixture
def ids(keyrelay: Keyrelay) -> Ids:
    """Return an id of each kind, each alone in how its first 23 characters are."""
    secret = create_secret(keyrelay, "office-mail")
    action = create_action(keyrelay, secret)
    unused = create_secret(keyrelay, "unused")
    policy = create_policy(keyrelay, {**ALLOW, "targets": []})
    said = keyrelay("trigger", "publish", "--action", "tell")
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 1
    attempt = keyrelay("attempt", "list", "--json").documents[0]
    return {
        "secret": secret,
        "unused": unused,
        "action": action,
        "policy": policy,
        "trigger": said.id,
        "attempt": str(attempt["id"]),
        "profile": str(keyrelay("profile", "list", "--json").documents[0]["id"]),
    }


COMMANDS: Sequence[tuple[str, Sequence[str]]] = (
    ("secret", ("secret", "show", "…", "--json")),
    ("secret", ("secret", "edit", "…", "--tag", "team=south")),
    ("unused", ("secret", "delete", "…")),
    ("action", ("action", "show", "…", "--json")),
    ("action", ("action", "edit", "…", "--lock")),
    ("action", ("action", "delete", "…")),
    ("policy", ("policy", "show", "…", "--json")),
    ("policy", ("policy", "edit", "…", "--inactive")),
    ("policy", ("policy", "delete", "…")),
    ("action", ("trigger", "publish", "--action", "…")),
    ("action", ("attempt", "list", "--action", "…", "--json")),
    ("action", ("audit", "list", "--action", "…", "--json")),
    ("action", ("dead-letter", "list", "--action", "…", "--json")),
    ("trigger", ("trigger", "show", "…", "--json")),
    ("trigger", ("attempt", "list", "--trigger", "…", "--json")),
    ("trigger", ("audit", "list", "--trigger", "…", "--json")),
    ("trigger", ("dead-letter", "show", "…", "--json")),
    ("trigger", ("dead-letter", "export", "…")),
    ("trigger", ("dead-letter", "redrive", "…")),
    ("trigger", ("dead-letter", "drop", "…", "--yes")),
    ("attempt", ("attempt", "show", "…", "--json")),
    ("attempt", ("audit", "show", "…", "--json")),
    ("policy", ("definitions", "accept", "…")),
    ("profile", ("profile", "rename", "…", "harbour")),
    ("profile", ("--profile", "…", "secret", "list", "--json")),
)


@pytest.mark.parametrize(("kind", "command"), COMMANDS)
def test_the_beginning_of_an_id_is_enough(
    keyrelay: Keyrelay, ids: Ids, kind: str, command: Sequence[str]
) -> None:
    def said(id_: str) -> Said:
        return keyrelay(*(id_ if each == "…" else each for each in command))

    missing = said(f"{'7' * 8}")
    found = said(ids[kind][:-1])

    assert found.code == 0, found
    assert found.out not in ("", "[]\n"), found
    assert missing.code == 1 or missing.out == "[]\n", missing


@pytest.mark.parametrize(
    "act",
    [
        lambda keyrelay, given: keyrelay("dead-letter", "drop", given, "--yes"),
        lambda keyrelay, given: keyrelay("dead-letter", "redrive", given),
    ],
)
def test_what_acts_wants_the_whole_id_where_a_producer_chose_it(
    keyrelay: Keyrelay, act: Callable[[Keyrelay, str], Said]
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "door-17")
    bury(keyrelay, "door-170")

    first, again = act(keyrelay, "door-17"), act(keyrelay, "door-17")

    assert (first.id, again.code) == ("door-17", 1)
    assert keyrelay("dead-letter", "show", "door-170").code == 0
    assert keyrelay("dead-letter", "show", "door", "--json").document["trigger"] == (
        "door-170"
    )


def test_what_begins_several_ids_is_refused_with_them(keyrelay: Keyrelay) -> None:
    ids = sorted([create_secret(keyrelay, key) for key in ("one", "two")])

    said = keyrelay("secret", "delete", ids[0][:4])

    assert said.code == 1
    assert said.is_one_sentence
    assert ", ".join(ids) in said.err
    assert len(keyrelay("secret", "list", "--json").documents) == 2


def test_another_profiles_ids_are_not_looked_at(keyrelay: Keyrelay) -> None:
    id_ = create_secret(keyrelay)
    assert keyrelay("profile", "create", "south").code == 0

    said = keyrelay("--profile", "south", "secret", "show", id_[:12])

    assert said.code == 1
    assert said.is_one_sentence
