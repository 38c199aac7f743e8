"""Kafka's place: the topics of one queue at the real broker, by the clock of a test.

The clock moves by microseconds unless the test moves it. Records carry its time, and a
worker is dead once its last heartbeat is a lease's length ago.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import ConsumerStoppedError

from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.settlement import Done
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World, real_world
from keyrelay.ports import Lease
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions, TopicOwner, Window
from keyrelay.sources.kafka.queue import KafkaQueue, open_queue
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.kafka_logs import INTERVALS, Log, create, without_topics
from tests.contract.queues import (
    LEASE,
    Changes,
    OpenQueue,
    UntilIdle,
    a_world,
    forever,
    trigger,
)
from tests.fakes import Clock
from tests.memory_claims import Book, MemoryClaims
from tests.samples import NOON
from tests.services.kafka import Kafka

YEARS = timedelta(days=3650)
OPTIONS = KafkaOptions(
    intervals=replace(INTERVALS, stall=YEARS), window=Window(age=YEARS)
)
# Brokers take no record that is from more than an hour in the future.
ANY_TIME = {"message.timestamp.after.max.ms": str(2**62)}


@dataclass(frozen=True, slots=True)
class ClockedProducer:
    """A producer whose records are of the clock's time."""

    producer: AIOKafkaProducer
    clock: Clock

    async def start(self) -> None:
        await self.producer.start()

    async def stop(self) -> None:
        await self.producer.stop()

    async def send_and_wait(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        milliseconds = int(self.clock.now().timestamp() * 1000)
        await self.producer.send_and_wait(
            topic, value=value, key=key, headers=headers, timestamp_ms=milliseconds
        )


@dataclass(frozen=True, kw_only=True)
class ClockedClients(KafkaClients):
    """The clients of one process, which can be dropped from its group."""

    clock: Clock
    consumers: list[AIOKafkaConsumer] = field(default_factory=list)

    def consumer(self) -> AIOKafkaConsumer:
        self.consumers.append(KafkaClients.consumer(self))
        return self.consumers[-1]

    def producer(self) -> ClockedProducer:
        return ClockedProducer(KafkaClients.producer(self), self.clock)

    async def drop(self) -> None:
        """Leave the group, as the broker has a silent member leave."""
        for consumer in self.consumers:
            await consumer.stop()


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """A process with the queue open; `last_heartbeat` is None while it runs."""

    claims: MemoryClaims
    clients: ClockedClients
    last_heartbeat: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedQueue:
    """A queue that can tell when nothing is due.

    By itself a log cannot: there may be more to read. A fence is a trigger that is
    accepted last. What was due before it is lent before it, or, from another topic,
    before one of the next two fences.
    """

    queue: KafkaQueue
    clock: Clock
    fences: Iterator[int]

    async def accept(self, trigger: Trigger) -> bool:
        return await self.queue.accept(trigger)

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return await self.queue.accept_all(triggers)

    async def publisher(self, profile: str, id_: str) -> str | None:
        return await self.queue.publisher(profile, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        return await self.queue.beginning(profile, sought)

    async def redrive(self, letter: DeadLetter) -> bool:
        return await self.queue.redrive(letter)

    async def wake(self, secret: str) -> None:
        self._tick()
        await self.queue.wake(secret)
        self._tick()

    async def wake_all(self) -> None:
        self._tick()
        await self.queue.wake_all()
        self._tick()

    async def lease(self, until: asyncio.Event) -> Lease | None:
        if not isinstance(until, UntilIdle):
            return await self._lease_before("", until)
        for _ in range(3):
            fence = f"fence-{next(self.fences)}"
            await self.queue.accept(trigger(fence))
            lease = await self._lease_before(fence, asyncio.Event())
            if lease is not None:
                return lease
        return None

    async def _lease_before(self, fence: str, until: asyncio.Event) -> Lease | None:
        """Return the next lease; None, the fence came first or `until` is set."""
        lease = await self.queue.lease(until)
        self._tick()
        while lease is not None and lease.trigger.id.startswith("fence-"):
            await lease.settle(Done())
            if lease.trigger.id == fence:
                return None
            lease = await self.queue.lease(until)
        return lease

    def _tick(self) -> None:
        # A wake and a lease are told apart by their instants, in milliseconds.
        self.clock.advance(timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPlace:
    log: Log
    clock: Clock
    world: World
    changes: Changes = field(default_factory=Changes)
    retry_wait: timedelta = timedelta(seconds=1)
    _book: Book = field(default_factory=Book)
    _processes: list[Process] = field(default_factory=list)
    _fences: Iterator[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def open(
        self, *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AsyncIterator[OpenQueue]:
        world = replace(self.world, sleep=forever) if stalled else self.world
        process = self._begin(world)
        opened = open_queue(
            process.clients,
            ClaimAccess(
                claims=process.claims, states=process.claims, people=Unclaimed()
            ),
            world,
            replace(OPTIONS, ordered=ordered, drain=drain),
            TopicOwner(profile=None, revision=self.changes.revision),
        )
        if stalled:
            process.last_heartbeat = self.clock.now()
        try:
            async with opened as queue:
                yield FencedQueue(queue=queue, clock=self.clock, fences=self._fences)
        except* ConsumerStoppedError:
            assert stalled  # which was dropped, and is told so when it ends
        process.last_heartbeat = process.last_heartbeat or self.clock.now()

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)
        for process in self._processes:
            last = process.last_heartbeat
            if last is not None and self.clock.now() - last >= LEASE:
                self._book.dead.append(process.claims)
                await process.clients.drop()

    def _begin(self, world: World) -> Process:
        process = Process(
            claims=MemoryClaims(world=world, book=self._book),
            clients=ClockedClients(
                connection=self.log.clients.connection, clock=self.clock
            ),
        )
        self._processes.append(process)
        return process


async def in_kafka(kafka: Kafka) -> KafkaPlace:
    log, clock = without_topics(kafka), Clock(time=NOON)
    endings = [name.removeprefix(log.topics.main) for name in log.topics.read]
    await create(log, dict.fromkeys([*endings, ".dead"], ANY_TIME))

    def now() -> datetime:
        clock.advance(timedelta(microseconds=1))  # no two instants are the same
        return clock.time

    world = replace(a_world(clock), now=now, sleep=real_world().sleep)
    return KafkaPlace(log=log, clock=clock, world=world)
