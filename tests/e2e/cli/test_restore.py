"""Restoring at the command line: an older database stops the worker, and says so."""

import shutil

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import create_policy


def test_a_worker_stops_on_an_older_database_until_it_is_accepted(
    keyrelay: Keyrelay,
) -> None:
    database = keyrelay.home / "keyrelay.db"
    shutil.copy(database, keyrelay.home.parent / "backup.db")
    create_policy(keyrelay)
    assert keyrelay("worker", "--drain").code == 0
    for companion in keyrelay.home.glob("keyrelay.db-*"):
        companion.unlink()
    shutil.copy(keyrelay.home.parent / "backup.db", database)

    stopped = keyrelay("worker", "--drain")
    looked = keyrelay("restore")
    accepted = keyrelay("restore", "--accept")

    assert (stopped.code, looked.code, accepted.code) == (4, 4, 0)
    assert "the database is older than" in stopped.err
    assert "is missing" in stopped.err
    assert "`keyrelay restore --accept`" in stopped.err
    assert keyrelay("worker", "--drain").code == 0
    assert keyrelay("audit", "verify").code == 0
    assert keyrelay("restore").out == "nothing is missing\n"


def test_a_missing_checkpoint_beside_its_database_is_a_fault(
    keyrelay: Keyrelay,
) -> None:
    (keyrelay.home / "audit.checkpoint").unlink()

    stopped = keyrelay("worker", "--drain")

    assert stopped.code == 4
    assert "audit.checkpoint is missing" in stopped.err
    assert keyrelay("restore").code == 4
    assert keyrelay("restore", "--accept").code == 0
    assert keyrelay("worker", "--drain").code == 0
