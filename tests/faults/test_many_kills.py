"""Many kills: workers that share a log die, leave and join, and nothing is lost."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.faults.many_machines import Crew, Place, crew_of, reckon_at
from tests.faults.relay import Relay
from tests.sinks.sqs import SqsSink

TRIGGERS = 100_000
BETWEEN = 8_000  # messages from one kill to the next
SEED = 20_260_102
WITHIN = timedelta(seconds=120)


@pytest.mark.timeout(900)
def test_a_hundred_thousand_triggers_outlive_kills_leaves_and_joins(
    shared_relay: Relay,
    place: Place,
    queue: SqsSink,
    tell: Callable[[str], None],
) -> None:
    accepted = [f"t{number}" for number in range(TRIGGERS)]
    place.publish(map(shared_relay.trigger, accepted))

    with crew_of(shared_relay, 3, SEED) as crew:
        kills = _disturb(crew, queue)
    shared_relay.home.run("worker", "--drain")

    reckoning = reckon_at(place, queue.ledger, accepted)
    tell(f"three workers, {kills} kills, {kills} leaves: {reckoning}")
    assert kills >= 8
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    shared_relay.home.run("audit", "verify")


def _disturb(crew: Crew, queue: SqsSink) -> int:
    """Kill one worker after another, and send one away in between; say how often."""
    kills = 0
    while (count := queue.ledger.count()) + BETWEEN < TRIGGERS:
        queue.ledger.await_count(count + BETWEEN // 2, WITHIN)
        crew.kill_one()
        crew.join()
        queue.ledger.await_count(count + BETWEEN, WITHIN)
        crew.send_one_away()
        crew.join()
        kills += 1
    return kills
