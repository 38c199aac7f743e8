"""Refusals: one sentence each, and nothing is stored."""

from collections.abc import Mapping

import pytest

from tests.e2e.cli.command import Keyrelay, Said
from tests.e2e.cli.definitions import (
    NORTH,
    SMTP,
    SQS,
    create_action,
    create_policy,
    create_secret,
    mail_action,
    secret,
)

SECRETS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "a text of 2049 characters": (
        secret(value="x" * 2049),
        "value must have 1 to 2048 characters",
    ),
    "a key with a space": (
        secret(key="two words"),
        "key has 1 to 100 letters, digits, '_', '-' and '.'",
    ),
    "31 tags": (
        secret() | {"tags": [{"key": f"k{n}", "value": "v"} for n in range(31)]},
        "tags must have at most 30 entries",
    ),
    "no tags": (secret() | {"tags": []}, "a secret needs at least one tag"),
    "a field missing": (
        secret(value={name: SMTP[name] for name in SMTP if name != "username"})
        | {"type": "smtp"},
        "a secret of type smtp needs username",
    ),
    "port 25": (secret(value={**SMTP, "smtp_port": 25}), "smtp_port must be 587"),
    "another region's queue": (
        secret(value={**SQS, "aws_region": "us-east-1"}),
        "region",
    ),
    "an unknown field": (secret() | {"owner": "ada"}, "a secret has no field 'owner'"),
}


def refused(said: Said, sentence: str) -> bool:
    return said.code == 1 and said.is_one_sentence and sentence in said.err


@pytest.mark.parametrize(("document", "sentence"), SECRETS.values(), ids=SECRETS.keys())
def test_a_bad_secret_is_refused_in_one_sentence(
    keyrelay: Keyrelay, document: Mapping[str, object], sentence: str
) -> None:
    file = keyrelay.write("secret.json", document)

    said = keyrelay("secret", "create", "--file", file)

    assert refused(said, sentence), said
    assert keyrelay("secret", "list", "--json").json == []
    assert keyrelay("audit", "list", "--json").documents[0]["noun"] != "secret"


def test_two_secrets_cannot_have_the_same_key(keyrelay: Keyrelay) -> None:
    first = create_secret(keyrelay)

    file = keyrelay.write("secret.json", secret(value="another"))
    said = keyrelay("secret", "create", "--file", file)

    assert refused(said, "Secret key already exists"), said
    assert [one["id"] for one in keyrelay("secret", "list", "--json").documents] == [
        first
    ]


def test_a_key_never_changes(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)
    file = keyrelay.write("changes.json", {"key": "other", "tags": NORTH})

    said = keyrelay("secret", "edit", "mail", "--file", file)

    assert refused(said, "a secret's key never changes"), said
    assert keyrelay("secret", "show", "mail", "--json").document["version"] == 1


def test_a_secret_in_use_stays(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))

    said = keyrelay("secret", "delete", "mail")

    assert refused(said, "actions use this secret: 'tell'"), said
    assert keyrelay("secret", "show", "mail").code == 0


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (mail_action("mail"), "`keyrelay secret list` shows the ids"),
        (mail_action("0" * 24), f"there is no secret {'0' * 24}"),
        (
            {"name": "tell", "action": {"type": "sms"}},
            "email-smtp, queue-sqs and script",
        ),
    ],
    ids=["a secret by its key", "a secret that is not there", "another kind"],
)
def test_a_bad_action_is_refused_in_one_sentence(
    keyrelay: Keyrelay, document: Mapping[str, object], sentence: str
) -> None:
    file = keyrelay.write("action.json", document)

    said = keyrelay("action", "create", "--file", file)

    assert refused(said, sentence), said
    assert keyrelay("action", "list", "--json").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("secret", "show"),
        ("secret", "delete"),
        ("action", "show"),
        ("action", "delete"),
        ("policy", "show"),
        ("policy", "delete"),
        ("trigger", "show"),
        ("attempt", "show"),
        ("audit", "show"),
        ("dead-letter", "show"),
        ("dead-letter", "redrive"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["nothing-like-it", "0" * 24])
def test_a_missing_thing_is_refused_in_one_sentence(
    keyrelay: Keyrelay, arguments: tuple[str, str], name: str
) -> None:
    said = keyrelay(*arguments, name)

    assert refused(said, "there is no "), said
    assert name in said.err


def test_a_name_that_two_definitions_have_is_refused(keyrelay: Keyrelay) -> None:
    ids = {create_policy(keyrelay), create_policy(keyrelay)}

    said = keyrelay("policy", "delete", "north uses its own")

    assert refused(said, "2 are called 'north uses its own'; say which by id"), said
    assert all(id_ in said.err for id_ in ids)
    assert len(keyrelay("policy", "list", "--json").documents) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("secret", "create", "--key", "mail", "--file", "f"),
        ("secret", "create"),
        ("secret", "edit", "mail", "--ask", "--value-file", "f"),
        ("action", "edit", "tell"),
        ("trigger", "publish"),
        ("trigger", "publish", "--file", "f", "--value", "1"),
        ("dead-letter", "redrive"),
        ("dead-letter", "drop", "t1", "--all"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_wrong_usage(
    keyrelay: Keyrelay, arguments: tuple[str, ...]
) -> None:
    said = keyrelay(*arguments)

    assert said.code == 2
    assert said.is_one_sentence, said


@pytest.mark.parametrize(
    "arguments",
    [("secrets",), ("secret", "ls"), ("secret", "list", "--jsn"), ("secret", "show")],
    ids=" ".join,
)
def test_an_unknown_command_or_option_is_wrong_usage(
    keyrelay: Keyrelay, arguments: tuple[str, ...]
) -> None:
    said = keyrelay(*arguments)

    assert said.code == 2
    assert said.out == ""
    assert "Error: " in said.err


def test_an_invalid_setting_is_wrong_usage(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRELAY_LANES", "many")

    said = keyrelay("secret", "list")

    assert said.code == 2
    assert said.is_one_sentence
    assert "setting lanes" in said.err


def test_nothing_works_before_it_is_set_up(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = keyrelay.home.parent / "elsewhere"
    monkeypatch.setenv("KEYRELAY_HOME", str(elsewhere))

    said = keyrelay("secret", "list")

    assert refused(said, "run `keyrelay init` first"), said
    assert not elsewhere.exists()


def test_a_file_that_is_not_there_is_named(keyrelay: Keyrelay) -> None:
    said = keyrelay("action", "create", "--file", "nowhere.json")

    assert refused(said, "nowhere.json cannot be read: No such file"), said


def test_without_a_terminal_no_value_is_asked_for(keyrelay: Keyrelay) -> None:
    said = keyrelay("secret", "create", "--key", "mail", "--tag", "team=north")

    assert refused(said, "give --value-file FILE, or -"), said
