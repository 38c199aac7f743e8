"""The audit trail, altered behind Keyrelay's back: `audit verify` says where."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.definitions import action, publish, trigger
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.home import Home


@dataclass(frozen=True, slots=True)
class Trail:
    """What somebody with the database in hands can do to one chain's records."""

    database: sqlite3.Connection
    chain: str

    def move(self, seq: int, to: int) -> None:
        self.do("UPDATE audit_records SET seq = ?", seq, to)

    def remove(self, seq: int) -> None:
        self.do("DELETE FROM audit_records", seq)

    def do(self, statement: str, seq: int, *values: int) -> None:
        where = f"{statement} WHERE chain = ? AND seq = ?"
        changed = self.database.execute(where, (*values, self.chain, seq)).rowcount
        assert changed == 1


def edited(trail: Trail) -> None:
    trail.do(
        "UPDATE audit_records"
        " SET document = replace(document, 'rejected', 'delivered')",
        2,
    )


def edited_beside_the_document(trail: Trail) -> None:
    trail.do("UPDATE audit_records SET trigger = 'other'", 2)


def removed(trail: Trail) -> None:
    trail.remove(2)


def reordered(trail: Trail) -> None:
    trail.move(2, to=-1)
    trail.move(3, to=2)
    trail.move(-1, to=3)


def inserted(trail: Trail) -> None:
    """Let a record stand twice, the second time as if it were the next."""
    for seq in (5, 4, 3):
        trail.move(seq, to=seq + 1)
    trail.do(
        "INSERT INTO audit_records SELECT chain, 3, 'f' || substr(id, 2), kind,"
        " profile, trigger, action, at, document, mac FROM audit_records",
        2,
    )


def cut_off(trail: Trail) -> None:
    """Take away the newest record, and say in the chain that it was never there."""
    trail.remove(5)
    trail.database.execute(
        "UPDATE audit_chains SET head_seq = seq, head_mac = mac"
        " FROM audit_records WHERE chain = audit_chains.id AND chain = ? AND seq = 4",
        (trail.chain,),
    )


def whole_chain_removed(trail: Trail) -> None:
    trail.database.execute("DELETE FROM audit_chains WHERE id = ?", (trail.chain,))
    trail.database.execute("DELETE FROM audit_records WHERE chain = ?", (trail.chain,))


ALTERED: Mapping[str, tuple[Callable[[Trail], None], str]] = {
    "a record edited": (edited, "record 2"),
    "its columns edited": (edited_beside_the_document, "record 2"),
    "a record removed": (removed, "record 2 is missing"),
    "two records swapped": (reordered, "record 2"),
    "a record inserted": (inserted, "record 3"),
    "the tail cut off": (cut_off, "record 5 is missing"),
    "a chain removed": (whole_chain_removed, "missing"),
}


@pytest.fixture(scope="module")
def furnished(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Some chains, one of which has five attempts."""
    home = original.copied(tmp_path_factory.mktemp("audited") / "home")
    secret = home.create_secret("office", "smtp", smtp_secret(587))
    told = home.create("action", action("tell", mail_action(secret)))
    publish(home, *(trigger(f"t{number}", told) for number in range(5)))
    home.run("worker", "--drain")
    return home


def alter(home: Home, how: Callable[[Trail], None]) -> str:
    """Do it to the chain with the attempts, and return which that is."""
    attempt = "SELECT chain FROM audit_records WHERE kind = 'attempt' LIMIT 1"
    with closing(sqlite3.connect(home.path / "keyrelay.db")) as database, database:
        (chain,) = database.execute(attempt).fetchone()
        how(Trail(database, chain))
    return str(chain)


@pytest.mark.parametrize(("how", "where"), ALTERED.values(), ids=ALTERED)
def test_what_was_altered_is_found(
    furnished: Home, tmp_path: Path, how: Callable[[Trail], None], where: str
) -> None:
    home = furnished.copied(tmp_path / "home")
    chain = alter(home, how)

    verified = home.attempt("audit", "verify")

    assert verified.code == 4
    assert verified.out == ""
    assert verified.err.startswith("keyrelay: the audit trail is broken at chain ")
    assert chain in verified.err
    assert where in verified.err


def test_a_whole_trail_is_whole(furnished: Home) -> None:
    assert "nothing is missing" in furnished.run("audit", "verify")
