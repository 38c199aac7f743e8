"""Many kills: workers, broker and database die, and nothing is lost or sent again."""

import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.faults.lengths import KILLS_OF_MANY
from tests.faults.many_machines import Crew, Place, crew_of, reckon_at
from tests.faults.relay import Relay, queue_secret, replace_queue_secret
from tests.services import deadline
from tests.sinks.ledger import TooFew
from tests.sinks.sqs import SqsSink

PORTION = 400  # triggers
SEED = 20_260_102
WITHIN = timedelta(seconds=120)
STALLED = timedelta(seconds=5)  # longer than a lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Triggers, published as they are needed: a worker that dies is at work."""

    relay: Relay
    place: Place
    queue: SqsSink
    accepted: list[str] = field(default_factory=list)

    def go_on(self) -> None:
        """Publish more, and return once a quarter as many messages have arrived."""
        arrived, begun = self.queue.ledger.count(), len(self.accepted)
        more = [f"t{number}" for number in range(begun, begun + PORTION)]
        self.place.publish(map(self.relay.trigger, more))
        self.accepted.extend(more)
        self.queue.ledger.await_count(arrived + PORTION // 4, WITHIN)


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
    work = Work(relay=shared_relay, place=place, queue=queue)

    with crew_of(shared_relay, 3, SEED) as crew:
        troubles = Troubles(relay=shared_relay, place=place, queue=queue, crew=crew)
        try:
            _disturb(work, troubles)
        except TooFew:
            tell(_last_words(place, crew))
            raise
        # Nothing waits longer than its schedule once all is well.
        published = len(work.accepted)
        assert deadline.met(lambda: len(queue.ledger.names()) >= published, WITHIN)
    shared_relay.home.run("worker", "--drain")

    reckoning = reckon_at(place, queue.ledger, work.accepted)
    tell(f"three workers, {KILLS_OF_MANY} kills, as many leaves: {reckoning}")
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    assert reckoning.resent == set()
    shared_relay.home.run("audit", "verify")


def _disturb(work: Work, troubles: Troubles) -> None:
    """Kill one worker after another, and send one away in between."""
    befalls = itertools.cycle(
        (
            troubles.stall_a_worker,
            troubles.crash_the_broker,
            troubles.replace_the_secret,
            troubles.crash_the_database,
        )
    )
    for befall in itertools.islice(befalls, KILLS_OF_MANY):
        work.go_on()
        troubles.crew.kill_one()
        troubles.crew.join()
        work.go_on()
        befall()
        work.go_on()
        troubles.crew.send_one_away()
        troubles.crew.join()


def _last_words(place: Place, crew: Crew) -> str:
    """Return what tells why nothing goes on: the claims, and what workers said last."""
    said = [line for worker in crew.workers for line in ("", *worker.said[-30:])]
    return "\n".join([f"claims: {place.claims()}", *said])
