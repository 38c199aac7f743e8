"""Locked audit: what cannot be recorded is not settled, whatever the queue can do."""

import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.reckoning import reckon
from tests.faults.relay import Relay
from tests.sinks.smtp import SmtpSink

LANES = 8
WITHIN = timedelta(seconds=60)
IDS = [f"t{number}" for number in range(400)]


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {"KEYRELAY_LANES": str(LANES)}


def test_nothing_is_settled_while_the_audit_database_is_locked(
    relay: Relay, sink: SmtpSink
) -> None:
    relay.publish(IDS)

    with relay.home.running("worker") as worker:
        sink.ledger.await_count(50, WITHIN)
        with _locked(relay.home.path / "keyrelay.db"):
            locked_at = sink.ledger.count()
            # SQLite itself waits for ten seconds before it gives up: time enough for
            # each lane to meet the lock. It is said once for all of them.
            worker.await_said("work is stopped", times=1)
            stopped_at = sink.ledger.count()
        sink.ledger.await_count(len(IDS), WITHIN)
        worker.send(signal.SIGTERM)
        code = worker.end()
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, IDS)
    assert code == 0
    assert stopped_at - locked_at <= 2 * LANES
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.repeated == set()


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the right to write, as a backup or a person with a shell may do."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as door:
        door.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            door.execute("ROLLBACK")
