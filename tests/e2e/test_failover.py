"""Failover between two PostgreSQL servers, and what a synchronous standby changes."""

import json
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.relay import Relay, to_queue
from tests.services import deadline, loopback
from tests.services.postgresql import PostgreSql
from tests.sinks import sqs
from tests.sinks.faults import Faults
from tests.sinks.sqs import SqsSink

pytestmark = pytest.mark.timeout(300)

WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A primary and its standby, which knows all but what came while it was down."""

    primary: PostgreSql
    standby: PostgreSql
    name: str

    @property
    def url(self) -> str:
        hosts = (
            f"{loopback.HOST}:{self.primary.port},{loopback.HOST}:{self.standby.port}"
        )
        return f"postgresql://postgres@{hosts}/{self.name}"

    def await_replicated(self) -> None:
        self._await("replay_lsn >= pg_current_wal_lsn()")

    def become_synchronous(self) -> None:
        self.primary.tell("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.primary.tell("SELECT pg_reload_conf()")
        self._await("sync_state = 'sync'")

    def fail_over(self) -> None:
        """Have the primary crash, and the standby take its place."""
        self.primary.stop()
        self.standby.start()
        self.standby.tell("SELECT pg_promote()")

    def _await(self, condition: str) -> None:
        asked = f"SELECT count(*) FROM pg_stat_replication WHERE {condition}"  # noqa: S608
        assert deadline.met(lambda: self.primary.tell(asked) == "1", WITHIN)


@pytest.fixture
def pair(postgresql_pair: tuple[PostgreSql, PostgreSql]) -> Pair:
    primary, standby = postgresql_pair
    return Pair(primary=primary, standby=standby, name=primary.create())


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqsSink]:
    slow = Faults(delay=timedelta(milliseconds=50))
    with sqs.running(tmp_path / "queue", faults=slow) as running:
        yield running


@pytest.fixture
def relay(tmp_path: Path, queue: SqsSink, pair: Pair) -> Relay:
    return to_queue(
        tmp_path / "home", queue, {"KEYRELAY_DATABASE": pair.url, "KEYRELAY_LANES": "4"}
    )


def test_with_a_synchronous_standby_nothing_is_lost_and_a_worker_goes_on_unaided(
    relay: Relay, queue: SqsSink, pair: Pair
) -> None:
    before = [f"before-{number}" for number in range(400)]
    after = [f"after-{number}" for number in range(20)]
    pair.become_synchronous()
    relay.publish(before)

    with relay.home.running("worker") as worker:
        queue.ledger.await_count(40, WITHIN)
        pair.fail_over()
        at_failover = queue.ledger.count()
        relay.publish(after)
        arrived = deadline.met(lambda: _taken(queue) == {*before, *after}, WITHIN)
        drained = deadline.met(lambda: _recorded(relay) == {*before, *after}, WITHIN)
        worker.send(signal.SIGTERM)
        code = worker.end()

    assert at_failover < len(before), "the failover came too late to be seen"
    assert (arrived, drained, code) == (True, True, 0), worker.said[-5:]
    relay.home.run("audit", "verify")
    assert relay.home.run("restore").strip() == "nothing is missing"


def test_without_one_a_start_refuses_what_is_older_than_the_checkpoint(
    relay: Relay, queue: SqsSink, pair: Pair
) -> None:
    relay.publish(["replicated"])
    relay.home.run("worker", "--drain")
    pair.await_replicated()
    pair.standby.stop()
    relay.publish(["lost"])
    relay.home.run("worker", "--drain")

    pair.fail_over()
    refused = relay.home.attempt("worker", "--drain")
    accepted = relay.home.run("restore", "--accept")
    relay.publish(["afterwards"])
    relay.home.run("worker", "--drain")

    assert refused.code == 4
    assert "the database is older than" in refused.err
    assert "is missing" in refused.err or "are missing" in refused.err
    assert "`keyrelay restore --accept`" in refused.err
    assert "missing" in accepted
    assert _taken(queue) == {"replicated", "lost", "afterwards"}
    assert _recorded(relay) == {"replicated", "afterwards"}
    relay.home.run("audit", "verify")


def _taken(queue: SqsSink) -> Collection[str]:
    """Return the triggers whose messages the queue has."""
    return {json.loads(body)["variable"] for body in queue.ledger.names()}


def _recorded(relay: Relay) -> Collection[str]:
    """Return the triggers that are delivered by an attempt's record."""
    listed = relay.home.read("attempt", "list")
    assert isinstance(listed, list)
    return {each["trigger"] for each in listed if each["outcome"] == "delivered"}
