"""`keyrelay copy`: an installation moves, and no kill leaves half of it at work."""

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.home import Home
from tests.services import deadline
from tests.services.postgresql import PostgreSql

RECORDS = 1100  # more than are copied in one transaction
# Holds up whoever writes a record behind the first thousand.
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
CREATE TRIGGER hold BEFORE INSERT ON audit_records
    FOR EACH ROW WHEN (NEW.seq > 1000) EXECUTE FUNCTION hold();
"""
# The server itself would not see before the sleep is over that the client is gone.
LET_GO = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
DROP FUNCTION hold CASCADE;
"""


@pytest.fixture
def name(postgresql: PostgreSql) -> str:
    return postgresql.create()


@pytest.fixture
def moving(home: Home) -> Home:
    """One with a secret, definitions, many records and as many dead letters."""
    secret = home.create_secret("office", "smtp", smtp_secret(587))
    home.create("action", action("tell", mail_action(secret)))
    home.create("policy", EVERYTHING)
    publish(home, *[trigger(f"t{number}", "0" * 24) for number in range(RECORDS)])
    home.run("worker", "--drain")
    return home


def all_that_is_shown(home: Home) -> list[object]:
    listed = ("secret list", "action list", "policy list", "dead-letter list")
    return [home.read(*words.split()) for words in (*listed, "audit list")]


def kill_amid_a_copy(moving: Home, postgresql: PostgreSql, name: str) -> None:
    there = moving.under({"KEYRELAY_DATABASE": postgresql.url(name)})
    there.run("migrate", "--yes")
    postgresql.tell(HOLD, name)
    with moving.running("copy", "--to", postgresql.url(name)) as copy:
        there_are = "SELECT count(*) FROM audit_records"
        assert deadline.met(
            lambda: int(postgresql.tell(there_are, name)) >= 1000,
            within=timedelta(seconds=30),
        )
        copy.kill()
    postgresql.tell(LET_GO, name)


def test_nothing_is_copied_beside_a_worker_of_the_embedded_queue(
    home: Home, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    with home.running("worker") as worker:
        worker.await_said("worker started")
        refused = home.attempt("copy", "--to", f"sqlite:///{target}")
        worker.send(signal.SIGTERM)
        worker.end()

    copied = home.attempt("copy", "--to", f"sqlite:///{target}")

    assert refused.code == 1
    assert "workers are at work: stop them all" in refused.err
    assert copied.code == 0, copied


def test_an_installation_moves_to_a_server_and_a_kill_leaves_no_half_of_it_at_work(
    moving: Home, postgresql: PostgreSql, name: str
) -> None:
    there = moving.under({"KEYRELAY_DATABASE": postgresql.url(name)})
    kill_amid_a_copy(moving, postgresql, name)

    half = there.attempt("worker", "--drain")
    done = moving.run("copy", "--to", postgresql.url(name))
    again = moving.run("copy", "--to", postgresql.url(name))

    assert (half.code, "nothing is set up here" in half.err) == (1, True)
    assert "nothing is missing; 1 of 1 secrets open" in done
    assert again == done
    assert all_that_is_shown(there) == all_that_is_shown(moving)
    there.run("audit", "verify")


def test_an_installation_moves_back_into_a_file(
    home: Home, postgresql: PostgreSql, name: str, tmp_path: Path
) -> None:
    secret = home.create_secret("office", "smtp", smtp_secret(587))
    file = f"sqlite:///{tmp_path / 'back.db'}"
    home.run("copy", "--to", postgresql.url(name))
    there = home.under({"KEYRELAY_DATABASE": postgresql.url(name)})

    copied = there.read("copy", "--to", file)

    assert isinstance(copied, dict)
    assert (copied["secrets"], copied["secrets_broken"]) == (1, 0)

    back = home.under({"KEYRELAY_DATABASE": file})
    assert secret in back.run("secret", "list")
