"""Broken: a sealed vault, an altered database, and how each is reported."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay, contents
from tests.e2e.cli.definitions import (
    create_action,
    create_policy,
    create_secret,
    mail_action,
    secret,
)


def replace_key(key: Path) -> None:
    """Put another installation's key into the file."""
    text = key.read_text()
    key.write_text(text[:-6] + ("AAAAA" if text[-6:-1] != "AAAAA" else "BBBBB") + "\n")


SEALED: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "wrong key": (replace_key, "key"),
    "missing key": (Path.unlink, "there is no key file"),
    "mode 0644": (lambda key: key.chmod(0o644), "chmod 600"),
}
NEEDS_THE_VAULT = [
    ("secret", "create", "--file", "secret.json"),
    ("secret", "edit", "mail", "--tag", "team=south"),
    ("secret", "delete", "spare"),
    ("action", "create", "--file", "action.json"),
    ("action", "edit", "tell", "--lock"),
    ("action", "delete", "tell"),
    ("policy", "delete", "north uses its own"),
    ("policy", "explain", "--action", "tell", "--secret", "mail"),
    ("worker", "--drain"),
    ("up",),
    ("audit", "verify"),
    ("key", "status"),
    ("init", "--profile", "south"),
]


@pytest.fixture
def installation(keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch) -> Keyrelay:
    create_secret(keyrelay, "spare", "text")
    id_ = create_secret(keyrelay)
    create_action(keyrelay, id_)
    create_policy(keyrelay)
    monkeypatch.chdir(keyrelay.home.parent)
    keyrelay.write("secret.json", secret("other"))
    keyrelay.write("action.json", mail_action(id_, "other"))
    return keyrelay


@pytest.mark.parametrize(("seal", "words"), SEALED.values(), ids=SEALED.keys())
def test_a_sealed_vault_changes_nothing(
    installation: Keyrelay, seal: Callable[[Path], None], words: str
) -> None:
    seal(installation.home / "key")
    before = definitions(installation), contents(installation.home).get("key")

    for arguments in NEEDS_THE_VAULT:
        said = installation(*arguments)

        assert said.code == 3, said
        assert words in said.err + said.out
        assert "Traceback" not in said.err
    assert (definitions(installation), contents(installation.home).get("key")) == before


@pytest.mark.parametrize(("seal", "_"), SEALED.values(), ids=SEALED.keys())
def test_a_sealed_vault_still_takes_triggers_and_shows_what_is_in_clear(
    installation: Keyrelay, seal: Callable[[Path], None], _: str
) -> None:
    seal(installation.home / "key")

    published = installation("trigger", "publish", "--action", "tell", "--id", "t1")

    assert published.out == "t1\n"
    assert installation("secret", "list").code == 0
    assert (
        installation("trigger", "show", "t1", "--json").document["state"] == "waiting"
    )


def test_a_secret_that_does_not_open_is_named(installation: Keyrelay) -> None:
    execute(
        installation,
        "UPDATE secrets SET envelope = substr(envelope, 2) WHERE key='mail'",
    )

    said = installation("key", "status", "--check")
    as_json = installation("key", "status", "--check", "--json")

    assert (said.code, as_json.code) == (4, 4)
    assert "its sealed value is refused" in said.err
    assert "1 of 2 secrets open" in said.out
    assert [one["key"] for one in json.loads(as_json.out)["broken"]] == ["mail"]


@pytest.mark.parametrize(
    "alteration",
    [
        "UPDATE secrets SET type = 'nonsense' WHERE key = 'mail'",
        "UPDATE secrets SET created_at = 'nonsense' WHERE key = 'mail'",
    ],
)
def test_a_secret_that_cannot_be_read_at_all_is_named(
    installation: Keyrelay, alteration: str
) -> None:
    id_ = installation("secret", "show", "mail", "--json").document["id"]
    execute(installation, alteration)

    said = installation("key", "status", "--check")

    assert said.code == 4
    assert f"secret {id_}" in said.err


def test_the_first_broken_record_is_named(installation: Keyrelay) -> None:
    record = installation("audit", "list", "--json").documents[1]
    execute(
        installation,
        "UPDATE audit_records SET document = replace(document, 'cli:', 'api:')"
        " WHERE id = ?",
        str(record["id"]),
    )

    said = installation("audit", "verify")
    as_json = installation("audit", "verify", "--json")

    assert (said.code, as_json.code) == (4, 4)
    assert said.is_one_sentence
    assert str(record["id"]) in said.err
    assert json.loads(as_json.out)["breach"]["id"] == record["id"]


def test_a_database_of_a_newer_keyrelay_is_left_alone(installation: Keyrelay) -> None:
    execute(installation, "UPDATE alembic_version SET version_num = '9999'")

    said = installation("secret", "list")

    assert said.code == 3
    assert said.is_one_sentence
    assert "a newer Keyrelay made this database" in said.err


def test_a_file_that_is_no_database_is_left_alone(installation: Keyrelay) -> None:
    (installation.home / "queue.db").write_bytes(b"not a database" * 100)

    said = installation("trigger", "publish", "--action", "tell")

    assert said.code == 3
    assert said.is_one_sentence
    assert "queue.db: the file is not a database" in said.err


def definitions(installation: Keyrelay) -> list[list[tuple[object, ...]]]:
    """Return all that commands can change."""
    tables = ("secrets", "actions", "policies", "profiles", "audit_records")
    with closing(sqlite3.connect(installation.home / "keyrelay.db")) as database:
        return [
            database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in tables
        ]


def execute(installation: Keyrelay, statement: str, *parameters: str) -> None:
    with (
        closing(sqlite3.connect(installation.home / "keyrelay.db")) as database,
        database,
    ):
        assert database.execute(statement, parameters).rowcount == 1
