"""Changes: what one process changes acts in all workers within two seconds."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.many_machines import Place, trigger_in
from tests.faults.relay import ALLOW, Relay, queue_secret, replace_queue_secret
from tests.installed.command import Command
from tests.services import deadline
from tests.sinks.sqs import REFUSED_KEY, SqsSink

AT_ONCE = 24
MOMENT = 2.0  # seconds
WITHIN = timedelta(seconds=60)


@dataclass(slots=True, kw_only=True)
class Flow:
    """Triggers that keep coming, some at a time."""

    relay: Relay
    place: Place
    queue: SqsSink
    published: dict[str, float] = field(default_factory=dict, init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    def wave(self) -> None:
        """Return once some more are settled, one way or the other."""
        ids = [f"t{number}" for number in itertools.islice(self._numbers, AT_ONCE)]
        self.published |= dict.fromkeys(ids, time.time())
        self.place.publish(map(self.relay.trigger, ids))
        assert deadline.met(self._are_settled, WITHIN)

    def waves_until(self, instant: float) -> None:
        while time.time() < instant:
            self.wave()

    def delivered(self) -> dict[str, float]:
        entries = self.queue.ledger.entries()
        return {trigger_in(entry.name): entry.at for entry in entries}

    def _are_settled(self) -> bool:
        settled = self.queue.ledger.count() + len(self.place.dead_letters())
        return settled >= len(self.published)


@pytest.fixture
def workers(shared_relay: Relay, tmp_path: Path) -> Iterator[list[Command]]:
    """Two, each with a data directory of its own."""
    with ExitStack() as stack:
        homes = [shared_relay.home.copied(tmp_path / name) for name in ("a", "b")]
        running = [stack.enter_context(home.running("worker")) for home in homes]
        for worker in running:
            worker.await_said("partitions assigned")
        yield running


@pytest.mark.timeout(300)
def test_a_permission_acts_in_all_workers_within_two_seconds_of_its_change(
    shared_relay: Relay, place: Place, queue: SqsSink, workers: list[Command]
) -> None:
    flow = Flow(relay=shared_relay, place=place, queue=queue)
    home = shared_relay.home
    flow.wave()
    (policy,) = [line.split()[0] for line in _listed(home.run("policy", "list"))]

    home.run("policy", "delete", policy)
    revoked = time.time()
    flow.waves_until(revoked + 2 * MOMENT)
    home.create("policy", ALLOW)
    granted = time.time()
    flow.waves_until(granted + 2 * MOMENT)

    delivered = flow.delivered()
    late = [id_ for id_, at in delivered.items() if revoked + MOMENT < at < granted]
    refused = [
        id_
        for id_, at in flow.published.items()
        if at > granted + MOMENT and id_ not in delivered
    ]
    assert late == []
    assert refused == []
    assert len(delivered) > AT_ONCE
    assert all(worker.count("attempt settled") > AT_ONCE for worker in workers)


@pytest.mark.timeout(300)
def test_what_waits_for_a_secret_goes_on_in_all_workers_within_two_seconds(
    shared_relay: Relay, place: Place, queue: SqsSink, workers: list[Command]
) -> None:
    ids = [f"w{number}" for number in range(10 * AT_ONCE)]
    right = queue_secret(queue)
    replace_queue_secret(shared_relay.home, {**right, "access_key_id": REFUSED_KEY})
    place.publish(map(shared_relay.trigger, ids))
    for worker in workers:
        worker.await_said('"secret paused"')
    assert deadline.met(lambda: len(place.parked()) == len(ids), WITHIN)

    shown = shared_relay.home.read("trigger", "show", ids[0])

    replace_queue_secret(shared_relay.home, right)
    replaced = time.time()
    assert deadline.met(lambda: queue.ledger.count() == len(ids), WITHIN)

    late = [entry for entry in queue.ledger.entries() if entry.at > replaced + MOMENT]
    assert late == []
    assert isinstance(shown, dict)
    (pause,) = shown["pauses"]
    assert shown["waits_for"] is not None
    assert "InvalidClientTokenId" in shown["reason"]
    assert (pause["kind"], pause["reason"]) == ("refused", shown["reason"])
    assert all(worker.count('"outcome": "delivered"') for worker in workers)


def _listed(table: str) -> list[str]:
    _, *rows = table.strip().splitlines()
    return rows
