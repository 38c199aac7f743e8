"""`keyrelay copy`: what is refused, and how a broken audit trail is reported."""

import sqlite3
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.services.postgresql import PostgreSql

ALTER = "UPDATE audit_records SET document = '{}' WHERE seq = 1"
# A trigger of the target database alters what is copied into it.
ALTERING = """
CREATE FUNCTION alter_it() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.document = '{}'; RETURN NEW; END $$;
CREATE TRIGGER alter_it BEFORE INSERT ON audit_records
    FOR EACH ROW EXECUTE FUNCTION alter_it();
"""


@pytest.fixture
def target(postgresql: PostgreSql) -> str:
    return postgresql.url(postgresql.create())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "give --from, --to or both"),
        (["--to", "mysql://host/name"], "expected a URL like sqlite:"),
        (["--to", "postgresql://ada:canary@host/name"], "a password is no argument"),
    ],
    ids=["neither", "unknown", "password"],
)
def test_bad_options_are_refused_before_anything_is_opened(
    keyrelay: Keyrelay, options: list[str], sentence: str
) -> None:
    said = keyrelay("copy", *options)

    assert (said.code, said.is_one_sentence, sentence in said.err) == (2, True, True)
    assert "canary" not in said.err


def test_a_database_is_not_copied_into_itself(keyrelay: Keyrelay) -> None:
    said = keyrelay("copy", "--to", f"sqlite:///{keyrelay.home / 'keyrelay.db'}")

    assert (said.code, "are the same database" in said.err) == (2, True)


def test_a_missing_source_is_refused(keyrelay: Keyrelay, tmp_path: Path) -> None:
    said = keyrelay("copy", "--from", f"sqlite:///{tmp_path / 'nowhere.db'}")

    assert (said.code, said.is_one_sentence) == (1, True)
    assert "there is no database at the source" in said.err
    assert not (tmp_path / "nowhere.db").exists()


def test_a_source_without_an_installation_is_refused(
    keyrelay: Keyrelay, target: str, tmp_path: Path
) -> None:
    said = keyrelay("copy", "--from", target, "--to", f"sqlite:///{tmp_path / 'a.db'}")

    assert (said.code, said.is_one_sentence) == (1, True)


def test_nothing_can_work_on_a_copy_whose_audit_trail_broke_on_the_way(
    keyrelay: Keyrelay,
    target: str,
    postgresql: PostgreSql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEYRELAY_DATABASE", target)
    assert keyrelay("migrate", "--yes").code == 0
    postgresql.tell(ALTERING, target.rpartition("/")[2])
    monkeypatch.delenv("KEYRELAY_DATABASE")

    said = keyrelay("copy", "--to", target)

    assert said.code == 4
    assert "nothing can work on the copy: the audit trail is broken" in said.err
    monkeypatch.setenv("KEYRELAY_DATABASE", target)
    assert "nothing is set up here" in keyrelay("secret", "list").err


def test_an_audit_trail_that_was_broken_before_is_copied_and_told_of(
    keyrelay: Keyrelay, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(keyrelay.home / "keyrelay.db") as database:
        database.execute(ALTER)
    database.close()

    said = keyrelay("copy", "--to", target, "--json")

    assert said.code == 4
    assert "as in the source, the audit trail is broken" in said.err
    monkeypatch.setenv("KEYRELAY_DATABASE", target)
    assert keyrelay("secret", "list", "--json").json == []
