"""Many machines: what one machine's commands do, on Kafka and PostgreSQL."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.many_machines import Place, create_topics, new_place
from tests.faults.relay import ALLOW, Relay, to_queue
from tests.installed.home import Home
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql
from tests.sinks import sqs
from tests.sinks.sqs import SqsSink

PUBLISHED = ("trigger", "publish", "--action", "tell", "--value", "9.5", "--id")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqsSink]:
    with sqs.running(tmp_path / "queue") as running:
        yield running


@pytest.fixture
def place(kafka: Kafka, postgresql: PostgreSql) -> Place:
    return new_place(kafka, postgresql)


@pytest.fixture
def relay(tmp_path: Path, queue: SqsSink, place: Place) -> Relay:
    relay = to_queue(tmp_path / "home", queue, place.settings)
    create_topics(relay)
    return relay


def test_a_trigger_is_published_refused_redriven_and_delivered(
    relay: Relay, queue: SqsSink
) -> None:
    home = relay.home
    home.run("policy", "delete", str(ALLOW["name"]))

    assert home.run(*PUBLISHED, "door-1").strip() == "door-1"
    waiting = home.read("trigger", "show", "door-1")
    refused = home.run("worker", "--drain")
    buried = home.read("trigger", "show", "door-1")
    home.create("policy", ALLOW)
    redriven = home.run("dead-letter", "redrive", "door-1")
    delivered = home.run("worker", "--drain")
    done = home.read("trigger", "show", "door-1")

    assert isinstance(waiting, dict)
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    assert refused.startswith("0 delivered, 1 buried")
    assert isinstance(buried, dict)
    assert buried["state"] == "buried"
    assert redriven.strip() == "door-1"
    assert delivered.startswith("1 delivered, 0 buried")
    assert isinstance(done, dict)
    assert (done["state"], done["dead_letter"]) == ("done", None)
    assert len(done["attempt_records"]) == 2
    assert queue.ledger.count() == 1


def test_what_is_published_twice_is_delivered_once(
    relay: Relay, place: Place, queue: SqsSink
) -> None:
    place.publish([relay.trigger("t1")] * 5)
    relay.home.run("worker", "--drain")
    place.publish([relay.trigger("t1"), relay.trigger("t2")])
    relay.home.run("worker", "--drain")

    assert queue.ledger.count() == 2


def test_with_deduplication_off_each_record_is_attempted(
    relay: Relay, place: Place, queue: SqsSink
) -> None:
    place.publish([relay.trigger("t1")] * 3)
    home = relay.home.under({"KEYRELAY_DEDUPLICATION_HOURS": "0"})
    home.run("worker", "--drain")

    assert queue.ledger.count() == 3
    assert _repeats(home) == {False}


def test_with_deduplication_off_what_a_dead_worker_may_have_attempted_repeats(
    relay: Relay, place: Place
) -> None:
    home = relay.home.under({"KEYRELAY_DEDUPLICATION_HOURS": "0"})
    with home.running("worker") as worker:
        worker.await_said("worker started")
        worker.kill()
    place.publish([relay.trigger("t1")])

    home.run("worker", "--drain")

    assert _repeats(home) == {True}


def _repeats(home: Home) -> set[object]:
    attempts = home.read("attempt", "list")
    assert isinstance(attempts, list)
    return {each["repeats"] for each in attempts}


def test_what_was_not_read_yet_is_held_and_delivered_once_it_is_released(
    relay: Relay, queue: SqsSink
) -> None:
    home = relay.home
    for id_ in ("t1", "t2"):
        home.run(*PUBLISHED, id_)
    assert home.run("trigger", "hold", "t1") == "t1\n"

    assert home.run("worker", "--drain").startswith("1 delivered")
    listed = home.read("trigger", "list", "--state", "held")
    assert isinstance(listed, list)
    assert [each["id"] for each in listed] == ["t1"]
    assert home.run("trigger", "release", "t1") == "t1\n"

    with home.running("worker") as worker:
        worker.await_said('"outcome": "delivered"')
        worker.send(signal.SIGTERM)
        worker.end()
    assert queue.ledger.count() == 2


def test_what_was_not_read_yet_is_cancelled_and_on_record(
    relay: Relay, queue: SqsSink
) -> None:
    home = relay.home
    home.run(*PUBLISHED, "t1")
    assert home.run("trigger", "cancel", "t1") == "t1\n"
    listed = home.read("trigger", "list")
    assert isinstance(listed, list)
    assert [(each["state"], each["waiting"]) for each in listed] == [("unread", 1)]

    assert home.run("worker", "--drain").startswith("0 delivered, 0 buried")
    again = home.attempt("trigger", "cancel", "t1")
    shown = home.read("trigger", "show", "t1")

    assert (again.code, again.out) == (0, "t1\n")
    assert "is cancelled already" in again.err
    assert isinstance(shown, dict)
    assert shown["state"] == "cancelled"
    assert "cancelled" in home.run("audit", "list")
    assert queue.ledger.count() == 0


def test_for_what_is_done_or_to_be_hurried_kafka_says_what_it_cannot(
    relay: Relay,
) -> None:
    home = relay.home
    home.run(*PUBLISHED, "t1")
    home.run("worker", "--drain")

    late = home.attempt("trigger", "cancel", "t1")
    hurried = home.attempt("trigger", "retry", "t1")

    assert (late.code, late.err) == (1, "keyrelay: too late: trigger t1 is done\n")
    assert hurried.code == 1
    assert "comes when it is due" in hurried.err
