"""PostgreSQL instead of a file: the same commands, and `keyrelay migrate`."""

from pathlib import Path

import pytest

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import caught, mail_action, smtp_secret
from tests.installed.home import Home
from tests.services import loopback
from tests.services.mailhog import MailHog
from tests.services.postgresql import PostgreSql

# What a database was before it knew of claims.
OLDER = """
DROP TABLE sessions, run_hosts, schedules, runs, console_lines, scripts, analyses;
DROP TABLE tokens, job_results, jobs;
DROP TABLE claims, workers, pauses, definition_entries, definition_heads;
DROP TABLE attempts, attempt_counts, last_times;
ALTER TABLE secrets DROP COLUMN version, DROP COLUMN generation, DROP COLUMN mac;
ALTER TABLE actions DROP COLUMN generation, DROP COLUMN mac;
ALTER TABLE policies DROP COLUMN generation, DROP COLUMN mac;
ALTER TABLE installation DROP COLUMN upgraded_at, DROP COLUMN history;
ALTER TABLE tags DROP COLUMN profile;
DROP INDEX ix_secrets_profile_folded_id;
DROP INDEX ix_actions_profile_folded_id, ix_actions_profile_active_folded_id,
  ix_actions_profile_created_at_id, ix_actions_profile_updated_at_id,
  ix_actions_secret_folded_id;
DROP INDEX ix_policies_profile_folded_id, ix_policies_profile_active_folded_id,
  ix_policies_profile_created_at_id, ix_policies_profile_updated_at_id;
DROP INDEX ix_audit_records_profile_action_at, ix_audit_records_changes,
  ix_audit_records_releases;
UPDATE alembic_version SET version_num = '0001'
"""


@pytest.fixture
def name(postgresql: PostgreSql) -> str:
    return postgresql.create()


@pytest.fixture
def empty(tmp_path: Path, ca_file: Path, postgresql: PostgreSql, name: str) -> Home:
    """One that nobody has set up."""
    return Home(
        path=tmp_path / "home",
        settings={
            "KEYRELAY_DATABASE": postgresql.url(name),
            "KEYRELAY_SMTP_CA_FILE": str(ca_file),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
        },
    )


@pytest.fixture
def home(empty: Home) -> Home:
    empty.run("init")
    return empty


@pytest.fixture
def older(home: Home, postgresql: PostgreSql, name: str) -> Home:
    """One whose tables are those of an older Keyrelay."""
    postgresql.tell(OLDER, name)
    return home


def test_a_mail_goes_all_the_way_and_all_of_it_is_kept_on_the_server(
    home: Home, mailhog: MailHog
) -> None:
    settings = {"KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port)}
    home, sender = home.under(settings), "postgresql@example.com"
    secret = home.create_secret("office", "smtp", smtp_secret(mailhog.smtp_port))
    told = home.create("action", action("tell", mail_action(secret, {"from": sender})))
    home.create("policy", EVERYTHING)

    publish(home, trigger("door-17", told), trigger("door-18", "0" * 24))
    drained = home.run("worker", "--drain")

    assert drained.startswith("1 delivered, 1 buried")
    assert len(caught(mailhog, sender, 1)) == 1
    assert "buried" in home.run("trigger", "show", "door-18")
    assert home.run("dead-letter", "redrive", "door-18").strip() == "door-18"
    assert "1 of 1 secrets open" in home.run("key", "status", "--check")
    home.run("audit", "verify")
    assert not (home.path / "keyrelay.db").exists()


def test_a_second_init_finds_what_the_first_one_made(home: Home) -> None:
    assert "is set up already" in home.run("init")
    assert "is there now" in home.run("init", "--profile", "north")


def test_where_nothing_is_set_up_no_table_is_made(
    empty: Home, postgresql: PostgreSql, name: str
) -> None:
    ended = empty.attempt("secret", "list")

    assert (ended.code, ended.err) == (
        1,
        "keyrelay: nothing is set up here; run `keyrelay init` first\n",
    )
    assert (
        postgresql.tell(
            "SELECT count(*) FROM pg_tables WHERE tableowner = user"
            " AND schemaname = 'public'",
            name,
        )
        == "0"
    )


def test_a_server_that_does_not_answer_is_told_in_a_sentence_without_its_password(
    home: Home,
) -> None:
    url = f"postgresql://ada:canary@127.0.0.1:{loopback.free_port()}/keyrelay"

    ended = home.under({"KEYRELAY_DATABASE": url}).attempt("secret", "list")

    assert ended.code == 3
    assert "the server does not answer" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "canary" not in ended.said


@pytest.mark.parametrize(
    "command", [["worker", "--drain"], ["secret", "list"], ["init"]], ids=" ".join
)
def test_who_meets_tables_of_an_older_keyrelay_says_what_to_run(
    older: Home, command: list[str]
) -> None:
    ended = older.attempt(*command)

    assert ended.code == 3
    assert ended.err.splitlines() == [
        "keyrelay: an older Keyrelay made this database: run `keyrelay migrate` first"
    ]


def test_a_migration_is_planned_agreed_to_and_carried_out(older: Home) -> None:
    planned = older.run("migrate", "--plan")
    unasked = older.attempt("migrate")
    still = older.read("migrate", "--plan")

    assert [line.split(":")[0] for line in planned.splitlines()[1:3]] == [
        "0002      Claims",
        "0003      Claim words",
    ]
    assert (unasked.code, "give --yes" in unasked.err) == (2, True)
    assert isinstance(still, list)
    assert [step["revision"] for step in still] == [
        "0002",
        "0003",
        "0004",
        "0005",
        "0006",
        "0007",
        "0008",
        "0009",
        "0010",
        "0011",
        "0012",
        "0013",
        "0014",
        "0015",
        "0016",
        "0017",
        "0018",
        "0019",
        "0020",
        "0021",
        "0022",
        "0023",
    ]

    done = older.run("migrate", "--yes")

    assert done.endswith("the tables are up to date now\n")
    assert older.run("migrate", "--yes") == "the tables are up to date\n"
    assert older.read("migrate", "--yes") == []
    older.run("worker", "--drain")


def test_a_migration_waits_for_a_table_in_use_without_holding_anybody_up(
    older: Home, postgresql: PostgreSql, name: str
) -> None:
    with (
        postgresql.held(name, "alembic_version") as table,
        older.running("migrate", "--yes") as migrating,
    ):
        migrating.await_said("a table is in use; trying again", times=2)
        table.terminate()
        migrating.await_said("the tables are up to date now")

        assert migrating.end() == 0
