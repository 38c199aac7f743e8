"""Many machines: workers on Kafka and PostgreSQL, and a ledger of every trigger."""

import asyncio
import itertools
import json
import random
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aiokafka import AIOKafkaProducer

from tests.faults.reckoning import Reckoning, compare
from tests.faults.relay import Relay
from tests.installed.command import Command
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql
from tests.sinks.ledger import Ledger

PARTITIONS = 6

_LEAVING = timedelta(minutes=2)  # what it has begun may wait for a server
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A topic and a database of their own in servers that others use, too."""

    kafka: Kafka
    postgresql: PostgreSql
    topic: str
    database: str

    @property
    def settings(self) -> Mapping[str, str]:
        log = f"kafka://{self.kafka.bootstrap}?topic={self.topic}"
        return {
            "KEYRELAY_DATABASE": self.postgresql.url(self.database),
            "KEYRELAY_QUEUE": f"{log}&group={self.topic}&profile=default",
            "KEYRELAY_LANES": "128",
            "KEYRELAY_LEASE_SECONDS": "3",
            "KEYRELAY_PROBES": "off",
            "KEYRELAY_LOG_FORMAT": "json",
        }

    def attempts(self) -> Sequence[Mapping[str, object]]:
        """Return what is recorded of all attempts, each with when it was committed."""
        rows = self.postgresql.tell(
            "SELECT json_build_array(pg_xact_commit_timestamp(xmin), document)"
            " FROM audit_records WHERE kind = 'attempt'",
            self.database,
        )
        read = map(json.loads, rows.splitlines())
        return [{**json.loads(document), "durable_at": at} for at, document in read]

    def parked(self) -> Sequence[str]:
        """Return the triggers that wait in the log, after an attempt."""
        return self.postgresql.tell(
            "SELECT id FROM claims WHERE status = 'parked'", self.database
        ).splitlines()

    def claims(self) -> str:
        """Return how many claims there are by their status, for people."""
        counted = "SELECT status, count(*) FROM claims GROUP BY status"
        return self.postgresql.tell(counted, self.database).replace("\n", ", ")

    def dead_letters(self) -> Sequence[str]:
        return self.postgresql.tell(
            "SELECT trigger FROM dead_letters", self.database
        ).splitlines()

    def publish(self, triggers: Iterable[Mapping[str, object]]) -> None:
        """Return once Kafka has them all, as a producer's own program would."""
        asyncio.run(self._publish(triggers))

    async def _publish(self, triggers: Iterable[Mapping[str, object]]) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap,
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
        )
        async with producer:
            unsent = iter(triggers)
            while some := list(itertools.islice(unsent, 1000)):
                sent = [
                    await producer.send(self.topic, json.dumps(each).encode())
                    for each in some
                ]
                await asyncio.gather(*sent)


def new_place(kafka: Kafka, postgresql: PostgreSql) -> Place:
    return Place(
        kafka=kafka,
        postgresql=postgresql,
        topic=f"many{next(_NUMBERS)}",
        database=postgresql.create(),
    )


def create_topics(relay: Relay) -> None:
    named = ["--partitions", str(PARTITIONS), "--replication", "1", "--yes"]
    relay.home.run("topics", "create", *named)


@dataclass(slots=True)
class Crew:
    """Workers of one place, of which any may be killed or sent away."""

    relay: Relay
    stack: ExitStack
    dice: random.Random
    workers: list[Command] = field(default_factory=list, init=False)

    def join(self) -> None:
        worker = self.stack.enter_context(self.relay.home.running("worker"))
        self.workers.append(worker)

    def kill_one(self) -> None:
        self._one().kill()

    def send_one_away(self) -> None:
        """Return once it has finished what it had begun."""
        leaving = self._one()
        leaving.send(signal.SIGTERM)
        leaving.end(_LEAVING)

    def _one(self) -> Command:
        return self.workers.pop(self.dice.randrange(len(self.workers)))


@contextmanager
def crew_of(relay: Relay, count: int, seed: int) -> Iterator[Crew]:
    with ExitStack() as stack:
        crew = Crew(relay, stack, random.Random(seed))  # noqa: S311 - to be repeatable
        for _ in range(count):
            crew.join()
        for worker in crew.workers:
            worker.await_said("partitions assigned")
        yield crew


def trigger_in(body: str) -> str:
    """Return the id of the trigger that a queue message was made of."""
    return str(json.loads(body)["variable"])


def reckon_at(place: Place, ledger: Ledger, accepted: Sequence[str]) -> Reckoning:
    """Compare what was accepted with what arrived and what is recorded of it."""
    taken: dict[str, list[float]] = {}
    for entry in ledger.entries():
        taken.setdefault(trigger_in(entry.name), []).append(entry.at)
    return compare(accepted, taken, place.dead_letters(), place.attempts())
