"""Stopping: a worker that is told to stop ends well, whatever is away."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.many_machines import crew_of
from tests.faults.relay import Relay
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql


@pytest.fixture(params=["the database", "the broker"])
def away(
    request: pytest.FixtureRequest, kafka: Kafka, postgresql: PostgreSql
) -> tuple[Callable[[], None], Callable[[], None], str]:
    """What takes it away, what brings it back, and what a worker then says."""
    if request.param == "the database":
        return postgresql.stop, postgresql.start, "definitions not refreshed"
    return kafka.kill, kafka.start, "Unable connect to node"


@pytest.mark.timeout(120)
def test_a_worker_that_is_told_to_stop_during_an_outage_ends_with_0(
    shared_relay: Relay, away: tuple[Callable[[], None], Callable[[], None], str]
) -> None:
    go, come_back, said = away
    with crew_of(shared_relay, 1, seed=1) as crew:
        [worker] = crew.workers
        go()
        try:
            worker.await_said(said)
            worker.send(signal.SIGTERM)
            code = worker.end()
        finally:
            come_back()

    assert code == 0, worker.said
    assert worker.count("worker stopped") == 1
