"""Topic: triggers in Kafka, written at once or at a steady pace, and who reads them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from tests.services import deadline

PARTITIONS = 12

_PATIENCE = timedelta(minutes=1)

Trigger = tuple[str, str]  # its id, and the action that it names


class NoMembers(Exception):
    """Workers did not come to share a topic among them in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`name` is also how the ids of its triggers begin: none is known from before."""

    broker: str
    name: str

    @property
    def ours(self) -> str:
        """Name the group of our workers; theirs reads the same records."""
        return f"{self.name}.ours"

    @property
    def theirs(self) -> str:
        return f"{self.name}.theirs"

    def ids(self, count: int, word: str = "t") -> list[str]:
        return [f"{self.name}-{word}{number}" for number in range(count)]

    async def fill(self, triggers: Iterable[Trigger]) -> None:
        """Return once all of them are in the log, spread evenly."""
        async with self._producing() as producer:
            for number, trigger in enumerate(triggers):
                await self._send(producer, number, trigger)
            await producer.flush()

    async def drip(
        self, triggers: Iterable[Trigger], per_second: float
    ) -> Mapping[str, float]:
        """Write one after another, whatever becomes of them; say when each was due."""
        due: dict[str, float] = {}
        async with self._producing() as producer:
            begun = time.time()
            for number, trigger in enumerate(triggers):
                at = due[trigger[0]] = begun + number / per_second
                await asyncio.sleep(max(0.0, at - time.time()))
                await self._send(producer, number, trigger)
            await producer.flush()
        return due

    def await_members(self, group: str, count: int) -> None:
        """Return once that many members of the group have their partitions."""
        met = deadline.met(
            lambda: uvloop.run(_members(self.broker, group)) == count, _PATIENCE
        )
        if not met:
            raise NoMembers(f"{group} has not come to {count} members")

    async def _send(
        self, producer: AIOKafkaProducer, number: int, trigger: Trigger
    ) -> None:
        value = _document(*trigger)
        await producer.send(self.name, value, partition=number % PARTITIONS)

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[AIOKafkaProducer]:
        async with AIOKafkaProducer(
            bootstrap_servers=self.broker, acks="all"
        ) as producer:
            yield producer


def _document(id_: str, action: str) -> bytes:
    """Return a trigger as a producer writes it."""
    point = {
        "variable": id_,
        "value": 21.5,
        "unit": "°C",
        "device": "d1",
        "time": datetime.now(UTC).isoformat(),
    }
    trigger = {"id": id_, "action": action, "data": [point]}
    return json.dumps(trigger, ensure_ascii=False).encode()


async def _members(broker: str, group: str) -> int:
    """Count those who have partitions; none has while the group is joined anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    try:
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:  # the first group of a broker's life
        return 0
    finally:
        await admin.close()
    (described,) = answer.to_object()["groups"]
    return len(described["members"]) if described["state"] == "Stable" else 0
