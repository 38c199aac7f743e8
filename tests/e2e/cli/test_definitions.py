"""Definitions at the command line: altered ones are named, and taken as they are."""

import sqlite3
from contextlib import closing

from tests.contract.stores.house import BEFORE_THE_INDEX
from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import create_action, create_policy, create_secret


def execute(keyrelay: Keyrelay, *statements: str) -> None:
    database = sqlite3.connect(keyrelay.home / "keyrelay.db")
    with closing(database), database:
        for statement in statements:
            database.execute(statement)


def test_what_was_altered_is_named_and_accepted(keyrelay: Keyrelay) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))
    execute(keyrelay, "UPDATE actions SET active = 0")

    status = keyrelay("key", "status", "--check")
    verified = keyrelay("audit", "verify")
    edited = keyrelay("action", "edit", "tell", "--lock")
    accepted = keyrelay("definitions", "accept", action)

    assert (status.code, verified.code, edited.code) == (4, 4, 1)
    assert f"action {action} (tell) of profile default" in status.err
    assert action in verified.err
    assert f"`keyrelay definitions accept {action}`" in edited.err
    assert accepted.id == action
    assert keyrelay("key", "status", "--check").code == 0
    assert keyrelay("audit", "verify").code == 0


def test_a_broken_index_is_told_and_made_anew(keyrelay: Keyrelay) -> None:
    create_policy(keyrelay)
    execute(keyrelay, "UPDATE definition_heads SET entries = 7")

    refused = keyrelay("policy", "delete", "north uses its own")
    usage = keyrelay("definitions", "accept")
    accepted = keyrelay("definitions", "accept", "--all", "--yes", "--json")

    assert (refused.code, usage.code, accepted.code) == (4, 2, 0)
    assert "`keyrelay definitions accept --all`" in refused.err
    assert keyrelay("key", "status", "--check").code == 0


def test_an_explanation_says_why_a_definition_is_not_used(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    create_policy(keyrelay)
    explain = ("policy", "explain", "--action", "tell", "--secret", "mail")
    execute(keyrelay, "UPDATE secrets SET fifo = 1")
    secret = keyrelay(*explain)
    execute(keyrelay, "UPDATE actions SET active = 0")
    action = keyrelay(*explain)
    execute(keyrelay, "UPDATE definition_heads SET entries = 7")
    index = keyrelay(*explain)

    assert "its row was edited outside Keyrelay" in secret.err
    assert "action" in action.err
    assert "are not believed" in index.err


def old(keyrelay: Keyrelay, *more: str) -> None:
    """Make the installation what an older Keyrelay would have left."""
    execute(
        keyrelay,
        "INSERT INTO secret_versions SELECT id, version FROM secrets",
        *BEFORE_THE_INDEX,
        "UPDATE alembic_version SET version_num = '0004'",
        "DELETE FROM audit_records WHERE document LIKE '%\"generation\"%'",
        *more,
    )
    (keyrelay.home / "audit.checkpoint").unlink()


def test_an_old_installation_is_vouched_for_with_what_was_found(
    keyrelay: Keyrelay,
) -> None:
    create_secret(keyrelay)
    old(keyrelay)

    opened = keyrelay("secret", "list")
    migrated = keyrelay("migrate", "--yes")

    # Its versions are not authenticated here, as they were: so it does not by itself.
    assert opened.code == 0
    assert "not vouched for" in opened.err
    assert "profile default has secret: 1, action: 0" in migrated.err
    assert "the versions of the secrets were altered" in migrated.err
    assert keyrelay("key", "status", "--check").code == 0
    assert "vouch" not in keyrelay("migrate", "--yes").err
