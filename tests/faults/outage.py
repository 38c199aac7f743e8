"""Outage: a part of the world is away for half a minute, and comes back."""

from collections.abc import Callable
from datetime import timedelta

from tests.faults.many_machines import Place, crew_of, reckon_at
from tests.faults.reckoning import Reckoning
from tests.faults.relay import Relay
from tests.services import deadline
from tests.sinks.sqs import SqsSink

TRIGGERS = 6_000
BEFORE = 500  # are delivered before it is gone
LENGTH = timedelta(seconds=30)
WITHIN = timedelta(seconds=90)
SEED = 20_260_103


def outlive(
    relay: Relay,
    place: Place,
    queue: SqsSink,
    go: Callable[[], None],
    come_back: Callable[[], None],
) -> Reckoning:
    """Let two workers live through it; neither may end or need any help."""
    accepted = [f"t{number}" for number in range(TRIGGERS)]
    place.publish(map(relay.trigger, accepted))
    with crew_of(relay, 2, SEED) as crew:
        queue.ledger.await_count(BEFORE, WITHIN)
        go()
        deadline.met(lambda: False, LENGTH)
        come_back()
        queue.ledger.await_count(TRIGGERS, WITHIN)
        workers = list(crew.workers)
        assert [worker.process.poll() for worker in workers] == [None, None]
        assert [worker.count("worker started") for worker in workers] == [1, 1]
        crew.send_one_away()
        crew.send_one_away()
    relay.home.run("worker", "--drain")
    return reckon_at(place, queue.ledger, accepted)
