"""Signals: a worker that is asked to end, and one that is stopped for too long."""

import signal
from datetime import timedelta

import pytest

from tests.faults.reckoning import reckon
from tests.faults.relay import Relay
from tests.faults.stalling import put_to_sleep
from tests.sinks.faults import Faults
from tests.sinks.smtp import SmtpSink

WITHIN = timedelta(seconds=60)
IDS = [f"t{number}" for number in range(600)]


@pytest.fixture
def faults() -> Faults:
    """Slow, so that there is always something on its way."""
    return Faults(delay=timedelta(seconds=0.1))


def test_a_worker_that_is_asked_to_end_finishes_what_it_began(
    relay: Relay, sink: SmtpSink
) -> None:
    relay.publish(IDS)

    with relay.home.running("worker") as worker:
        sink.ledger.await_count(150, WITHIN)
        worker.send(signal.SIGTERM)
        code = worker.end()
    delivered = sink.ledger.count()
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, IDS)
    assert code == 0
    assert delivered < len(IDS), "it must have been asked in the middle"
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.repeated == set()
    assert reckoning.accounted == set(), "no lease may have been cut short"


def test_a_worker_that_was_asleep_for_too_long_settles_nothing_late(
    relay: Relay, sink: SmtpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.publish(IDS)

    with relay.home.running("worker") as sleeper:
        sink.ledger.await_count(150, WITHIN)
        put_to_sleep(
            sleeper,
            [relay.home.path / name for name in ("queue.db", "keyrelay.db")],
            # The next try is at another moment of its work.
            lambda: sink.ledger.await_count(sink.ledger.count() + 1, WITHIN),
        )
        # It holds leases that end while it sleeps; the other one waits for them.
        relay.home.run("worker", "--drain")
        settled = sink.ledger.count()
        sleeper.send(signal.SIGCONT)
        sleeper.await_said("lease lost")
        sleeper.send(signal.SIGTERM)
        code = sleeper.end()

    reckoning = reckon(relay, sink.ledger, IDS)
    with capsys.disabled():
        print(f"\nasleep for longer than a lease: {reckoning}")
    assert code == 0
    assert settled >= len(IDS)
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    relay.home.run("audit", "verify")
