"""Schedules: actions are performed and analyses run by themselves."""

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.relay import to_mail
from tests.installed.home import Home
from tests.sinks import smtp
from tests.sinks.smtp import SmtpSink

# Past the first due time of a definition that was made a moment ago.
LONG_AGO = "2026-01-01 00:00:00.000000"


@pytest.fixture
def sink(tmp_path: Path, server_certificate: Path) -> Iterator[SmtpSink]:
    with smtp.running(tmp_path / "sink", certificate=server_certificate) as running:
        yield running


def make_due(home: Home, noun: str, id_: str) -> None:
    """Let a definition be due at once: as if its last due time were long ago."""
    with sqlite3.connect(home.path / "keyrelay.db") as database:
        (profile,) = database.execute("SELECT id FROM profiles").fetchone()
        database.execute(
            "INSERT INTO schedules (profile, noun, id, times, since, last)"
            " VALUES (?, ?, ?, 'every 60 s', ?, ?)",
            (profile, noun, id_, LONG_AGO, LONG_AGO),
        )


def test_an_action_is_performed_by_itself_once_for_the_times_it_missed(
    tmp_path: Path, ca_file: Path, sink: SmtpSink
) -> None:
    relay = to_mail(tmp_path / "home", sink.address, ca_file)
    home = relay.home
    given = '{"type": "interval", "trigger": [{"interval": "1 minute"}]}'
    home.run("action", "edit", "tell", "--file", "-", given=given)
    make_due(home, "action", relay.action)

    with home.running("worker") as worker:
        worker.await_said('"attempt settled"')
        worker.send(signal.SIGTERM)
        worker.end()

    (attempt,) = attempts(home)
    assert str(attempt["trigger"]).startswith(f"schedule-{relay.action}-")
    assert attempt["outcome"] == "delivered"
    assert sink.ledger.count() == 1


def attempts(home: Home) -> list[dict[str, object]]:
    listed = home.read("attempt", "list")
    assert isinstance(listed, list)
    return listed


def test_an_analysis_is_run_by_itself_and_leaves_no_dead_letter(
    tmp_path: Path, bwrap: Path
) -> None:
    home = Home(path=tmp_path / "home", settings={"KEYRELAY_API": "off"})
    home.run("init", "--no-token")
    main = tmp_path / "main.py"
    main.write_text("raise SystemExit(3)\n")
    document = {"name": "boiler", "runtime": "python-rt2025", "interval": "1 minute"}
    analysis = home.create("analysis", document)
    home.run("analysis", "upload", "boiler", main)
    make_due(home, "analysis", analysis)

    with home.running("up") as up:
        up.await_said("exit code 3")
        up.send(signal.SIGTERM)
        up.end()

    runs = home.read("analysis", "runs", "boiler")
    assert bwrap.exists()
    assert isinstance(runs, list)
    assert [(run["state"], run["origin"]) for run in runs] == [("failed", "schedule")]
    assert home.read("dead-letter", "list") == []
