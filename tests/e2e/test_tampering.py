"""Sealed rows, altered behind Keyrelay's back: none opens, and the others still do."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.definitions import (
    EVERYTHING,
    action,
    dead_letters,
    publish,
    trigger,
    trigger_of,
)
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.home import Home
from tests.installed.together import together
from tests.sinks import smtp

EDITED = "its row was edited outside Keyrelay"
PUT_BACK = "it is an older row that was put back"


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of secrets in the hands of somebody who may write to it."""

    database: sqlite3.Connection
    ids: Mapping[str, str]

    def get(self, key: str, column: str) -> bytes:
        rows = self.database.execute(
            f"SELECT {column} FROM secrets WHERE id = ?",  # noqa: S608 - a test's own
            (self.ids[key],),
        )
        (value,) = rows.fetchone()
        assert isinstance(value, bytes)
        return value

    def set(self, key: str, column: str, value: bytes | str) -> None:
        changed = self.database.execute(
            f"UPDATE secrets SET {column} = ? WHERE id = ?",  # noqa: S608 - as above
            (value, self.ids[key]),
        )
        assert changed.rowcount == 1

    def flip(self, key: str, at: int) -> None:
        envelope = bytearray(self.get(key, "envelope"))
        envelope[at] ^= 1
        self.set(key, "envelope", bytes(envelope))


def swap(rows: Rows) -> None:
    one, other = rows.get("swapped", "envelope"), rows.get("partner", "envelope")
    rows.set("swapped", "envelope", other)
    rows.set("partner", "envelope", one)


def move(rows: Rows) -> None:
    """Copy what the sound one holds into another's row."""
    rows.set("moved", "envelope", rows.get("sound", "envelope"))


def tag(rows: Rows) -> None:
    tags = '{"tags": [{"key": "env", "value": "everywhere"}]}'
    rows.set("re-tagged", "tags", tags)


def roll_back(rows: Rows) -> None:
    """Put the whole row back that was there before the secret was edited."""
    rows.database.execute("DELETE FROM secrets WHERE key = 'rolled-back'")
    rows.database.execute("INSERT INTO secrets SELECT * FROM once")
    rows.database.execute("DROP TABLE once")


TAMPERINGS: Mapping[str, tuple[Callable[[Rows], None], str]] = {
    "swapped": (swap, EDITED),
    "partner": (lambda _: None, EDITED),
    "moved": (move, EDITED),
    "re-tagged": (tag, EDITED),
    "re-typed": (lambda rows: rows.set("re-typed", "type", "aws-sqs"), EDITED),
    "rolled-back": (roll_back, PUT_BACK),
    "flipped": (lambda rows: rows.flip("flipped", -20), EDITED),
    "cut": (
        lambda rows: rows.set("cut", "envelope", rows.get("cut", "envelope")[:-1]),
        EDITED,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was said of each secret, by its key, and whose mail was sent."""

    ids: Mapping[str, str]
    buried: Mapping[str, str]
    broken: Mapping[str, str]
    code: int
    sent: list[str]


def edit_database(home: Home, statements: Callable[[sqlite3.Connection], None]) -> None:
    with closing(sqlite3.connect(home.path / "keyrelay.db")) as database, database:
        statements(database)


@pytest.fixture(scope="module")
def aftermath(
    original: Home,
    server_certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Aftermath:
    """Every secret is tampered with in its own way, but for the sound one."""
    folder = tmp_path_factory.mktemp("tampered")
    with smtp.running(folder / "sink", certificate=server_certificate) as sink:
        settings = {"KEYRELAY_SMTP_PORTS": str(sink.address.port)}
        home = original.copied(folder / "home", settings)
        account = sink.address.account
        value = smtp_secret(sink.address.port, account.username, account.password)
        keys = [*TAMPERINGS, "sound"]
        create = partial(home.create_secret, type_="smtp", value=value)
        ids = dict(
            zip(keys, together(partial(create, key) for key in keys), strict=True)
        )
        actions = together(
            partial(home.create, "action", action(key, mail_action(ids[key])))
            for key in keys
        )
        home.create("policy", EVERYTHING)
        _tamper(home, ids)
        publish(home, *map(trigger, keys, actions))

        home.run("worker", "--drain")

        checked = home.attempt("key", "status", "--check", "--json")
        found = json.loads(checked.out)
        return Aftermath(
            ids=ids,
            buried=dead_letters(home),
            broken={secret["key"]: secret["flaw"] for secret in found["broken"]},
            code=checked.code,
            sent=[trigger_of(entry.name) for entry in sink.ledger.entries()],
        )


def _tamper(home: Home, ids: Mapping[str, str]) -> None:
    remember = "CREATE TABLE once AS SELECT * FROM secrets WHERE key = 'rolled-back'"
    edit_database(home, lambda database: _run(database, remember))
    home.run("secret", "edit", "rolled-back", "--tag", "env=another")

    def tamper(database: sqlite3.Connection) -> None:
        for how, _ in TAMPERINGS.values():
            how(Rows(database, ids))

    edit_database(home, tamper)


def _run(database: sqlite3.Connection, statement: str) -> None:
    database.execute(statement)


@pytest.mark.parametrize("key", TAMPERINGS)
def test_what_was_tampered_with_is_not_used_and_is_reported(
    aftermath: Aftermath, key: str
) -> None:
    _, flaw = TAMPERINGS[key]

    assert aftermath.buried[key] == f"secret {aftermath.ids[key]}: {flaw}"
    assert aftermath.broken[key].startswith(flaw)
    assert aftermath.code == 4


def test_the_others_are_not_affected(aftermath: Aftermath) -> None:
    assert aftermath.sent == ["sound"]
    assert aftermath.buried.keys() == aftermath.broken.keys() == TAMPERINGS.keys()


def test_with_an_altered_index_nothing_is_believed_until_it_is_accepted(
    original: Home, tmp_path: Path
) -> None:
    home = original.copied(tmp_path / "home")
    home.create_secret("office", "smtp", smtp_secret(587))
    edit_database(
        home, lambda database: _run(database, "UPDATE definition_heads SET entries = 7")
    )

    checked = home.attempt("key", "status", "--check")
    verified = home.attempt("audit", "verify")
    refused = home.attempt("secret", "delete", "office")
    home.run("definitions", "accept", "--all", "--yes")

    assert (checked.code, verified.code) == (4, 4)
    assert "none of its definitions is believed" in checked.err
    assert refused.code != 0
    assert home.attempt("key", "status", "--check").code == 0
    assert home.attempt("audit", "verify").code == 0
