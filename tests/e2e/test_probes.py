"""Probes: what a worker that really runs tells whoever watches it."""

import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keyrelay.cli.exits import ExitCode
from tests.e2e.canary import Canary
from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.mails import caught, mail_action, smtp_secret
from tests.installed.api import answering
from tests.installed.command import Command
from tests.installed.home import Home
from tests.services import deadline
from tests.services.kafka import Kafka
from tests.services.loopback import HOST, free_port
from tests.services.mailhog import MailHog
from tests.services.postfix import Postfix
from tests.services.postgresql import PostgreSql

WITHIN = timedelta(seconds=60)
PASSWORD = Canary(name="password", value='canary-"55d0\\pä/ss+w0rd', user="relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    port: int

    def ask(self, path: str) -> Answer:
        """Return the answer; nothing and 0, the worker is not up yet."""
        with closing(HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", path)
            except ConnectionRefusedError:
                return Answer(status=0, headers=b"", body=b"")
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                headers=bytes(answer.headers),
                body=answer.read(),
            )

    def await_status(self, status: int) -> bytes:
        """Return an answer to /readyz once it has this status."""
        answers = [self.ask("/readyz")]

        def met() -> bool:
            answers.append(self.ask("/readyz"))
            return answers[-1].status == status

        assert deadline.met(met, WITHIN), answers[-1]
        return answers[-1].body

    def read(self) -> Mapping[tuple[str, ...], float]:
        """Return each sample by its name and its labels' values, in their order."""
        text = self.ask("/metrics").body.decode()
        return {
            (sample.name, *(sample.labels[each] for each in sorted(sample.labels))): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def await_sample(self, *sample: str, least: float) -> None:
        met = deadline.met(lambda: self.read().get(sample, -1) >= least, WITHIN)
        assert met, self.read()


@pytest.fixture
def probes() -> Probes:
    return Probes(port=free_port())


@pytest.fixture
def relay(home: Home, mailhog: MailHog, probes: Probes) -> Home:
    return home.under(
        {
            "KEYRELAY_SMTP_PORTS": str(mailhog.smtp_port),
            "KEYRELAY_PROBES": f"{HOST}:{probes.port}",
        }
    )


def furnish(home: Home, sender: str, port: int, password: str = "pw") -> str:
    """Return the id of an action that may send mail."""
    value = smtp_secret(port, password=password)
    secret = home.create_secret("office", "smtp", value)
    told = home.create("action", action("tell", mail_action(secret, {"from": sender})))
    home.create("policy", EVERYTHING)
    return told


@contextmanager
def without_its_vault(home: Home) -> Iterator[None]:
    """Take what the database cannot do without, and put it back."""
    with closing(sqlite3.connect(home.path / "keyrelay.db", timeout=30)) as database:
        with database:
            database.execute("CREATE TABLE kept AS SELECT * FROM installation")
            database.execute("DELETE FROM installation")
        yield
        with database:
            database.execute("INSERT INTO installation SELECT * FROM kept")
            database.execute("DROP TABLE kept")


def end(worker: Command) -> int:
    worker.send(signal.SIGTERM)
    return worker.end()


def test_a_worker_shows_what_it_has_delivered(
    relay: Home, mailhog: MailHog, probes: Probes
) -> None:
    told = furnish(relay, "shown@example.com", mailhog.smtp_port)
    publish(relay, *(trigger(f"t{n}", told) for n in range(7)))

    with relay.running("worker") as worker:
        caught(mailhog, "shown@example.com", 7)
        probes.await_sample("keyrelay_settlements_total", "done", least=7)
        probes.await_sample("keyrelay_part_ready", "queue", least=1)
        read = probes.read()
        code = end(worker)

    assert read["keyrelay_attempts_total", "email-smtp", "delivered"] == 7
    assert read["keyrelay_delivery_seconds_count",] == 7
    assert read["keyrelay_attempt_seconds_count", "email-smtp"] == 7
    assert read["keyrelay_audit_append_seconds_count",] == 7
    assert read["keyrelay_lag", "queue"] == 0
    assert code == 0


def test_a_worker_is_ready_again_once_its_database_is(
    relay: Home, probes: Probes
) -> None:
    with relay.running("worker") as worker:
        before = probes.await_status(200)
        with without_its_vault(relay):
            away = probes.await_status(503)
            alive = probes.ask("/healthz").status
        probes.await_status(200)
        code = end(worker)

    assert b'"ready": true' in before
    assert b'"database": "the database holds no vault' in away
    assert alive == 200
    assert code == 0


def test_a_lane_that_waits_for_its_record_is_busy(relay: Home, probes: Probes) -> None:
    database = sqlite3.connect(relay.path / "keyrelay.db", isolation_level=None)

    with relay.running("worker") as worker, closing(database):
        probes.await_status(200)
        database.execute("BEGIN IMMEDIATE")
        publish(relay, trigger("t1", "0" * 24))
        probes.await_sample("keyrelay_lanes_busy", least=1)
        database.execute("ROLLBACK")
        idle = deadline.met(lambda: probes.read()["keyrelay_lanes_busy",] == 0, WITHIN)
        read = probes.read()
        end(worker)

    assert idle
    assert read["keyrelay_lanes",] == 32
    assert read["keyrelay_settlements_total", "bury"] == 1


def test_a_worker_on_kafka_shows_its_lag_and_says_when_its_broker_is_away(
    relay: Home, mailhog: MailHog, kafka: Kafka, probes: Probes
) -> None:
    log = f"kafka://{kafka.bootstrap}?topic=watched&profile=default"
    relay = relay.under({"KEYRELAY_QUEUE": log})
    relay.run("topics", "create", "--partitions", "2", "--replication", "1", "--yes")
    told = furnish(relay, "watched@example.com", mailhog.smtp_port)

    with relay.running("worker") as worker:
        publish(relay, *(trigger(f"t{n}", told) for n in range(5)))
        probes.await_status(200)
        probes.await_sample("keyrelay_settlements_total", "done", least=5)
        probes.await_sample("keyrelay_lag", "watched", least=0)
        kafka.stop()
        away = probes.await_status(503)
        alive = probes.ask("/healthz").status
        kafka.start()
        probes.await_status(200)
        code = end(worker)

    assert b'"queue": "ready"' not in away
    assert b'"database": "ready"' in away
    assert alive == 200
    assert code == 0


def test_an_api_process_is_ready_although_it_reads_no_topic(
    relay: Home, kafka: Kafka, probes: Probes
) -> None:
    log = f"kafka://{kafka.bootstrap}?topic=asked&profile=default"
    relay = relay.under({"KEYRELAY_QUEUE": log})
    relay.run("topics", "create", "--yes", "--replication", "1")
    publish(relay, trigger("t1", "0" * 24))
    operator = relay.run("token", "create", "ops", "--operator").strip()

    with answering(relay) as api:
        ready = probes.await_status(200)
        said = api.with_token(operator).get("/installation").result

    assert b'"queue": "ready"' in ready
    assert isinstance(said, dict)
    (lag,) = said["queue"]["topics"]
    assert (said["queue"]["waiting"], said["queue"]["held"]) == (1, 0)
    assert (lag["waiting"], lag["oldest_age_seconds"] > 0) == (1, True)


def test_a_worker_on_postgresql_says_when_its_database_is_away(
    relay: Home, postgresql: PostgreSql, probes: Probes
) -> None:
    url = postgresql.url(postgresql.create())
    relay = Home(
        path=relay.path.with_name("shared"),
        settings={**relay.settings, "KEYRELAY_DATABASE": url},
    )
    relay.run("init", "--no-token")

    with relay.running("worker") as worker:
        probes.await_status(200)
        postgresql.stop()
        away = probes.await_status(503)
        alive = probes.ask("/healthz").status
        postgresql.start()
        probes.await_status(200)
        code = end(worker)

    assert b'"database": "ready"' not in away
    assert b'"queue": "ready"' in away
    assert alive == 200
    assert code == 0


def test_a_worker_says_at_its_start_where_it_answers(
    relay: Home, probes: Probes
) -> None:
    with relay.running("worker") as worker:
        worker.await_said("worker started")

        assert worker.count(f"{HOST}:{probes.port}") == 1


def test_two_workers_cannot_have_the_address_that_was_chosen(
    relay: Home, probes: Probes
) -> None:
    with relay.running("worker"):
        probes.await_status(200)
        ended = relay.attempt("worker")
        drained = relay.attempt("worker", "--drain")

    assert ended.code == ExitCode.UNAVAILABLE
    assert ended.err.splitlines()[-1].startswith("keyrelay: /metrics")
    assert "KEYRELAY_PROBES" in ended.err
    assert drained.code == 0


def test_thousands_of_actions_make_no_series_more(
    relay: Home, mailhog: MailHog, probes: Probes
) -> None:
    told = furnish(relay, "bounded@example.com", mailhog.smtp_port)
    lines = [trigger(f"t{n}", f"{n:024x}") for n in range(2000)]

    with relay.running("worker") as worker:
        probes.await_status(200)
        before = probes.read()
        publish(relay, *lines, trigger("last", told))
        probes.await_sample(
            "keyrelay_dead_letters_total", "definition", least=len(lines)
        )
        after = probes.read()
        end(worker)

    assert set(after) == set(before)
    assert after["keyrelay_attempts_total", "none", "rejected"] == len(lines)


def test_no_probe_shows_a_password(
    relay: Home, postfix: Postfix, probes: Probes
) -> None:
    relay = relay.under({"KEYRELAY_SMTP_PORTS": str(postfix.port)})
    told = furnish(relay, "c@example.com", postfix.port, PASSWORD.value)
    publish(relay, trigger("t1", told))
    ask = [partial(probes.ask, path) for path in ("/metrics", "/healthz", "/readyz")]

    with relay.running("worker") as worker:
        probes.await_sample("keyrelay_secrets_paused", "refused", least=1)
        probes.await_status(200)
        said = [each() for each in ask]
        with without_its_vault(relay):
            probes.await_status(503)
            said += [each() for each in ask]
        end(worker)

    assert [each.status for each in said] == [200, 200, 200, 200, 200, 503]
    assert not any(PASSWORD.stands_in(each.headers + each.body) for each in said)
