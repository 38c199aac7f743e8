"""Interventions: people see what waits, and hold, release, cancel and hurry it."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import create_action, create_policy, create_secret

# Ends the process by SIGKILL where a cancelled trigger would be settled.
_KILLED = """
import os, signal
from keyrelay.sources.sqlite.queue import SqliteQueue
async def conclude(*_):
    os.kill(os.getpid(), signal.SIGKILL)
SqliteQueue.conclude = conclude
from keyrelay.cli import run
run()
"""


@pytest.fixture
def action(keyrelay: Keyrelay) -> str:
    """Return the id of an action that no policy permits anything."""
    return create_action(keyrelay, create_secret(keyrelay))


def publish(keyrelay: Keyrelay, action: str, *ids: str) -> None:
    lines = [json.dumps({"id": id_, "action": action}) for id_ in ids]
    said = keyrelay("trigger", "publish", "--file", "-", stdin="\n".join(lines))
    assert said.code == 0, said


def listed(keyrelay: Keyrelay, *options: str) -> dict[object, object]:
    """Return the state of each trigger in the list."""
    documents = keyrelay("trigger", "list", "--json", *options).documents
    return {each["id"]: each["state"] for each in documents}


def state(keyrelay: Keyrelay, id_: str) -> object:
    return keyrelay("trigger", "show", id_, "--json").document["state"]


def changes(keyrelay: Keyrelay) -> list[tuple[object, object]]:
    """Return the changes of triggers on record, the oldest first."""
    documents = keyrelay("audit", "list", "--json").documents
    return [
        (each["change"], each["subject"])
        for each in documents[::-1]
        if each.get("noun") == "trigger"
    ]


def test_a_list_says_what_waits_for_what(keyrelay: Keyrelay, action: str) -> None:
    publish(keyrelay, action, "t1", "t2")
    keyrelay("trigger", "hold", "t2")

    first, second = keyrelay("trigger", "list", "--json").documents

    assert (first["id"], first["state"], first["action"]) == ("t1", "waiting", action)
    assert (second["state"], second["due"]) == ("held", "never")
    assert str(second["reason"]).startswith("held by cli:")
    assert keyrelay("trigger", "list").out.splitlines()[0].split()[:2] == [
        "id",
        "state",
    ]


def test_a_list_is_filtered(keyrelay: Keyrelay, action: str) -> None:
    publish(keyrelay, action, "t1", "t2")
    other = create_action(keyrelay, create_secret(keyrelay, "spare"), "other")
    publish(keyrelay, other, "t3")
    keyrelay("trigger", "hold", "t1")

    assert set(listed(keyrelay, "--state", "held")) == {"t1"}
    assert set(listed(keyrelay, "--action", "other")) == {"t3"}
    assert set(listed(keyrelay, "--secret", "mail")) == {"t1", "t2"}
    assert set(listed(keyrelay, "--reason", "HELD by")) == {"t1"}
    assert set(listed(keyrelay, "--limit", "2")) == {"t1", "t2"}
    assert keyrelay("trigger", "list", "--state", "done").code == 2


def test_what_is_held_is_shown_and_not_attempted_until_it_is_released(
    keyrelay: Keyrelay, action: str
) -> None:
    publish(keyrelay, action, "t1")
    assert keyrelay("trigger", "hold", "t1").out == "t1\n"

    assert keyrelay("worker", "--drain", "--json").document["buried"] == 0
    shown = keyrelay("trigger", "show", "t1", "--json").document
    assert (shown["state"], shown["action"], shown["due"]) == ("held", action, "never")
    assert keyrelay("trigger", "release", "t1", "--json").document == {"id": "t1"}
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 1
    assert changes(keyrelay) == [("held", "t1"), ("released", "t1")]


def test_a_deadline_that_passed_while_it_was_held_buries_it_when_released(
    keyrelay: Keyrelay, action: str
) -> None:
    named = ("--id", "t1", "--action", action, "--deadline", "1s")
    assert keyrelay("trigger", "publish", *named).code == 0
    keyrelay("trigger", "hold", "t1")
    deadline = time.monotonic() + 1.1
    while time.monotonic() < deadline:
        assert state(keyrelay, "t1") == "held"

    keyrelay("trigger", "release", "t1")

    keyrelay("worker", "--drain")
    shown = keyrelay("dead-letter", "show", "t1", "--json").document
    assert "its deadline passed" in str(shown["reason"])


def test_a_cancelled_trigger_leaves_a_record_and_no_letter(
    keyrelay: Keyrelay, action: str
) -> None:
    publish(keyrelay, action, "t1")

    assert keyrelay("trigger", "cancel", "t1").out == "t1\n"

    again = keyrelay("trigger", "cancel", "t1")
    assert (again.code, again.out) == (0, "t1\n")
    assert again.err == "keyrelay: trigger t1 is cancelled already\n"
    assert state(keyrelay, "t1") == "cancelled"
    assert changes(keyrelay) == [("cancelled", "t1")]
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 0
    assert keyrelay("dead-letter", "list", "--json").documents == []
    assert keyrelay("audit", "verify").code == 0


@pytest.mark.parametrize("act", ["hold", "release", "cancel", "retry"])
def test_what_is_settled_or_unknown_is_refused(
    keyrelay: Keyrelay, action: str, act: str
) -> None:
    publish(keyrelay, action, "t1")
    keyrelay("worker", "--drain")

    unknown, late = keyrelay("trigger", act, "t0"), keyrelay("trigger", act, "t1")

    assert (unknown.code, late.code) == (1, 1)
    assert unknown.err == "keyrelay: there is no trigger t0\n"
    assert late.err.startswith("keyrelay: too late: trigger t1 is a dead letter")
    assert late.is_one_sentence


def test_another_profiles_triggers_are_not_touched(
    keyrelay: Keyrelay, action: str
) -> None:
    publish(keyrelay, action, "t1")
    keyrelay("profile", "create", "south")

    for act in ("hold", "release", "cancel", "retry"):
        assert keyrelay("--profile", "south", "trigger", act, "t1").code == 1
    everything = ("trigger", "cancel", "--all", "--yes")
    assert keyrelay("--profile", "south", *everything).code == 0
    assert keyrelay("--profile", "south", "trigger", "list", "--json").documents == []
    assert state(keyrelay, "t1") == "waiting"


@pytest.mark.parametrize("act", ["hold", "release", "cancel", "retry"])
def test_all_are_changed_only_if_a_person_agrees(
    keyrelay: Keyrelay, action: str, act: str
) -> None:
    publish(keyrelay, action, "t1")
    if act == "release":
        keyrelay("trigger", "hold", "t1")

    said = keyrelay("trigger", act, "--all")

    assert (said.code, said.out) == (2, "")
    assert keyrelay("trigger", act, "--all", "--yes").out == "t1\n"
    assert keyrelay("trigger", act).code == 2
    assert keyrelay("trigger", act, "t1", "--all").code == 2


def test_all_that_match_are_cancelled_and_no_others(
    keyrelay: Keyrelay, action: str
) -> None:
    other = create_action(keyrelay, create_secret(keyrelay, "spare"), "other")
    publish(keyrelay, action, "t1", "t2", "t3")
    publish(keyrelay, other, "t4")
    keyrelay("trigger", "hold", "t1", "t4")

    held = ("--state", "held", "--action", "tell")
    assert keyrelay("trigger", "cancel", "--all", "--yes", *held).out == "t1\n"
    by_secret = ("--secret", "spare", "--yes")
    assert keyrelay("trigger", "cancel", "--all", *by_secret).out == "t4\n"
    assert set(listed(keyrelay)) == {"t2", "t3"}


def test_a_retry_ends_the_wait(keyrelay: Keyrelay, action: str) -> None:
    create_policy(keyrelay)
    publish(keyrelay, action, "t1")
    keyrelay("worker", "--drain")
    assert listed(keyrelay) == {"t1": "retrying"}
    with closing(sqlite3.connect(keyrelay.home / "queue.db")) as queue:
        queue.execute("UPDATE triggers SET due = due + 3600000000")  # microseconds
        queue.commit()
    before = keyrelay("trigger", "show", "t1", "--json").document

    assert keyrelay("trigger", "retry", "t1").out == "t1\n"

    after = keyrelay("trigger", "show", "t1", "--json").document
    assert after["attempts"] == before["attempts"] == 1
    assert str(after["due"]) < str(before["due"])
    assert before["reason"]
    assert keyrelay("trigger", "retry", "t1").err.endswith("alone\n")


def test_after_a_kill_before_the_settlement_a_cancellation_goes_on(
    keyrelay: Keyrelay, action: str
) -> None:
    publish(keyrelay, action, "t1")

    killed = _run_killed("trigger", "cancel", "t1")

    assert killed == -signal.SIGKILL
    assert state(keyrelay, "t1") == "cancelling"
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 0
    assert keyrelay("trigger", "cancel", "t1").code == 0
    assert state(keyrelay, "t1") == "cancelled"
    assert changes(keyrelay) == [("cancelled", "t1")]
    assert keyrelay("audit", "verify").code == 0


def _run_killed(*arguments: str) -> int:
    command: Sequence[str] = [sys.executable, "-c", _KILLED, *arguments]
    return subprocess.run(command, check=False).returncode
