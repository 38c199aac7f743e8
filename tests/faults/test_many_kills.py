"""Many kills: workers, broker and database die, and nothing is lost or sent again."""

import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.faults.lengths import IN_FULL, KILLS_OF_MANY
from tests.faults.many_machines import Crew, Place, crew_of, reckon_at
from tests.faults.relay import Relay, queue_secret, replace_queue_secret
from tests.services import deadline
from tests.sinks.sqs import SqsSink

BETWEEN = 1_000 if IN_FULL else 4_000  # messages from one kill to the next
TRIGGERS = BETWEEN * (KILLS_OF_MANY + 1)
SEED = 20_260_102
WITHIN = timedelta(seconds=120)
STALLED = timedelta(seconds=5)  # longer than a lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What befalls workers that share a log, one thing after the other."""

    relay: Relay
    place: Place
    queue: SqsSink
    crew: Crew

    def stall_a_worker(self) -> None:
        """Stop it for longer than its leases last, and have it go on."""
        stalled = self.crew.workers[0]
        stalled.send(signal.SIGSTOP)
        deadline.met(lambda: False, STALLED)
        stalled.send(signal.SIGCONT)

    def crash_the_broker(self) -> None:
        self.place.kafka.kill()
        self.place.kafka.start()

    def crash_the_database(self) -> None:
        self.place.postgresql.restart()

    def replace_the_secret(self) -> None:
        replace_queue_secret(self.relay.home, queue_secret(self.queue))


@pytest.mark.timeout(300 + 60 * KILLS_OF_MANY)
def test_many_triggers_outlive_kills_crashes_stalls_and_replaced_secrets(
    shared_relay: Relay,
    place: Place,
    queue: SqsSink,
    tell: Callable[[str], None],
) -> None:
    accepted = [f"t{number}" for number in range(TRIGGERS)]
    place.publish(map(shared_relay.trigger, accepted))

    with crew_of(shared_relay, 3, SEED) as crew:
        troubles = Troubles(relay=shared_relay, place=place, queue=queue, crew=crew)
        kills = _disturb(troubles)
        # Nothing waits longer than its schedule once all is well.
        assert deadline.met(lambda: len(queue.ledger.names()) >= TRIGGERS, WITHIN)
    shared_relay.home.run("worker", "--drain")

    reckoning = reckon_at(place, queue.ledger, accepted)
    tell(f"three workers, {kills} kills, {kills} leaves: {reckoning}")
    assert kills >= KILLS_OF_MANY // 2
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    assert reckoning.resent == set()
    shared_relay.home.run("audit", "verify")


def _disturb(troubles: Troubles) -> int:
    """Kill one worker after another, and send one away in between; say how often."""
    crew, ledger, kills = troubles.crew, troubles.queue.ledger, 0
    befalls = itertools.cycle(
        (
            troubles.stall_a_worker,
            troubles.crash_the_broker,
            troubles.replace_the_secret,
            troubles.crash_the_database,
        )
    )
    while (count := ledger.count()) + BETWEEN < TRIGGERS:
        ledger.await_count(count + BETWEEN // 2, WITHIN)
        crew.kill_one()
        crew.join()
        next(befalls)()
        ledger.await_count(count + BETWEEN, WITHIN)
        crew.send_one_away()
        crew.join()
        kills += 1
    return kills
