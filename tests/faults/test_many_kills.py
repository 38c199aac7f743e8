"""Many kills: workers that share a log die, leave and join, and nothing is lost."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.many_machines import (
    Crew,
    Place,
    create_topics,
    crew_of,
    new_place,
    reckon_at,
)
from tests.faults.relay import Relay, to_queue
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql
from tests.sinks import sqs
from tests.sinks.sqs import SqsSink

TRIGGERS = 100_000
BETWEEN = 8_000  # messages from one kill to the next
SEED = 20_260_102
WITHIN = timedelta(seconds=60)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SqsSink]:
    with sqs.running(tmp_path / "sink") as running:
        yield running


@pytest.fixture
def place(kafka: Kafka, postgresql: PostgreSql) -> Place:
    return new_place(kafka, postgresql)


@pytest.fixture
def relay(tmp_path: Path, sink: SqsSink, place: Place) -> Relay:
    settings = {**place.settings, "KEYRELAY_LANES": "128"}
    relay = to_queue(tmp_path / "home", sink, settings)
    create_topics(relay)
    return relay


@pytest.mark.timeout(600)
def test_a_hundred_thousand_triggers_outlive_kills_leaves_and_joins(
    relay: Relay, place: Place, sink: SqsSink, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = [f"t{number}" for number in range(TRIGGERS)]
    place.publish(map(relay.trigger, accepted))

    with crew_of(relay, 3, SEED) as crew:
        kills = _disturb(crew, sink)
    relay.home.run("worker", "--drain")

    reckoning = reckon_at(place, sink.ledger, accepted)
    with capsys.disabled():
        print(f"\nthree workers, {kills} kills, {kills} leaves: {reckoning}")
    assert kills >= 5
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    relay.home.run("audit", "verify")


def _disturb(crew: Crew, sink: SqsSink) -> int:
    """Kill one worker after another, and send one away in between; say how often."""
    kills = 0
    while (count := sink.ledger.count()) + BETWEEN < TRIGGERS:
        sink.ledger.await_count(count + BETWEEN // 2, WITHIN)
        crew.kill_one()
        crew.join()
        sink.ledger.await_count(count + BETWEEN, WITHIN)
        crew.send_one_away()
        crew.join()
        kills += 1
    return kills
