"""Topics of a test's own at the real broker, and queues that share them."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.claim import Arrival, Judgement
from keyrelay.model.world import World, real_world
from keyrelay.ports import Lease
from keyrelay.sources.kafka.connecting.address import Address
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.connection import Connection
from keyrelay.sources.kafka.options import (
    ClaimAccess,
    Intervals,
    KafkaOptions,
    TopicOwner,
)
from keyrelay.sources.kafka.queue import KafkaQueue, open_queue
from keyrelay.sources.kafka.topics.names import Topics
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.memory_claims import Book, MemoryClaims
from tests.samples import PROFILE
from tests.services.kafka import Kafka

MINUTE = timedelta(minutes=1)
INTERVALS = Intervals(
    poll=timedelta(seconds=0.02),
    commit=timedelta(seconds=0.05),
    busy=timedelta(seconds=0.1),
    revocation=timedelta(seconds=0.5),
    stall=timedelta(days=1),
)
OPTIONS = KafkaOptions(intervals=INTERVALS)

Header = tuple[str, bytes | None]


@dataclass(slots=True)
class Ahead:
    """Real time, which a test can move ahead."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by

    def advance(self, by: timedelta) -> None:
        self.by += by

    def world(self) -> World:
        return replace(real_world(), now=self.now)


@dataclass(slots=True, kw_only=True, eq=False)
class WatchedClaims(MemoryClaims):
    """Sets `asked` once anything was to be claimed."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        verdicts = await MemoryClaims.claim(self, arrivals)
        self.asked.set()
        return verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the group, as if in a process of its own."""

    queue: KafkaQueue
    claims: WatchedClaims

    async def lease(self) -> Lease:
        lease = await self.queue.lease(asyncio.Event())
        assert lease is not None
        return lease

    async def leases(self, count: int) -> Sequence[Lease]:
        return await asyncio.gather(*(self.lease() for _ in range(count)))


@dataclass(kw_only=True)
class Log:
    """`open` is how a queue is opened; each call is another member."""

    clients: KafkaClients
    topics: Topics
    partitions: int = 1
    clock: Ahead = field(default_factory=Ahead)
    book: Book = field(default_factory=Book)

    @asynccontextmanager
    async def member(
        self, options: KafkaOptions = OPTIONS, clients: KafkaClients | None = None
    ) -> AsyncIterator[Member]:
        claims = WatchedClaims(world=self.clock.world(), book=self.book)
        memory = ClaimAccess(claims=claims, states=claims, people=Unclaimed())
        opened = open_queue(
            clients or self.clients,
            memory,
            self.clock.world(),
            options,
            TopicOwner(profile=PROFILE),
        )
        async with opened as queue:
            yield Member(queue=queue, claims=claims)

    async def write(
        self,
        *values: bytes | None,
        topic: str | None = None,
        key: bytes | None = None,
        headers: Sequence[Header] = (),
        partition: int = 0,
        timestamp: int | None = None,
    ) -> None:
        """Write as a producer would."""
        async with a_producer(self.clients) as producer:
            for value in values:
                await producer.send_and_wait(
                    topic or self.topics.main,
                    value=value,
                    key=b"" if value is None and key is None else key,
                    headers=list(headers),
                    partition=partition,
                    timestamp_ms=timestamp,
                )

    async def write_in_transaction(self, value: bytes, *, commit: bool) -> None:
        arguments = self.clients.connection.arguments()
        producer = AIOKafkaProducer(transactional_id=self.topics.main, **arguments)
        async with producer:
            await producer.begin_transaction()
            await producer.send_and_wait(self.topics.main, value)
            if commit:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()

    async def read(self, topic: str) -> Sequence[ConsumerRecord]:
        """Return all records of a topic."""
        async with self.clients.onlooking() as consumer:
            partitions = [TopicPartition(topic, n) for n in range(self.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[ConsumerRecord] = []
            while any([ends[p] > await consumer.position(p) for p in partitions]):
                fetched = await consumer.getmany(timeout_ms=100)
                records += itertools.chain.from_iterable(fetched.values())
        return records

    async def nth(self, topic: str, offset: int) -> ConsumerRecord:
        """Return the record at this offset, once there is one."""
        async with self.clients.onlooking() as consumer:
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, offset)
            return await consumer.getone(partition)

    async def committed(self) -> Mapping[str, int]:
        """Return the sum of the group's offsets, by topic."""
        async with self.clients.administrating() as admin:
            group = self.clients.connection.address.group
            offsets = await admin.list_consumer_group_offsets(group)
        reached: Counter[str] = Counter()
        for each, known in offsets.items():
            reached[each.topic] += max(0, known.offset)
        return {topic: offset for topic, offset in reached.items() if offset}

    async def first_committed(self) -> Mapping[str, int]:
        """Return the same, once anything is committed at all."""
        while not (committed := await self.committed()):
            pass
        return committed


@asynccontextmanager
async def a_producer(clients: KafkaClients) -> AsyncIterator[AIOKafkaProducer]:
    async with clients.producer() as producer:
        yield producer


def clients_at(bootstrap: str, topic: str) -> KafkaClients:
    address = Address(brokers=(bootstrap,), topic=topic, group=topic, profile=None)
    connection = Connection(
        address=address, tls=None, mechanism=None, username=None, password=None
    )
    return KafkaClients(connection=connection)


_numbers_of_logs = itertools.count(1)


async def a_log(
    kafka: Kafka, partitions: int = 1, settings: Mapping[str, Mapping[str, str]] = {}
) -> Log:
    """Make topics that no other test knows; `settings` by the ends of their names."""
    log = without_topics(kafka, partitions)
    await create(log, settings)
    return log


def without_topics(kafka: Kafka, partitions: int = 1) -> Log:
    name = f"log{next(_numbers_of_logs)}"
    return Log(
        clients=clients_at(kafka.bootstrap, name),
        topics=Topics(main=name),
        partitions=partitions,
    )


async def create(log: Log, settings: Mapping[str, Mapping[str, str]] = {}) -> None:
    new = [
        NewTopic(
            name=name,
            num_partitions=log.partitions,
            replication_factor=1,
            topic_configs={
                "max.message.bytes": str(9 * 1024 * 1024),
                **settings.get(name.removeprefix(log.topics.main), {}),
            },
        )
        for name in (*log.topics.read, log.topics.dead)
    ]
    async with log.clients.administrating() as admin:
        await admin.create_topics(new)


def said(record: ConsumerRecord) -> Mapping[str, str]:
    """Return what a worker wrote in the headers."""
    return {
        name.removeprefix("keyrelay-"): value.decode()
        for name, value in record.headers
        if name.startswith("keyrelay-")
    }


class Listener(logging.Handler):
    """Keeps the log records with one message; sets `once` at the first."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message
        self.heard: list[logging.LogRecord] = []
        self.once = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self.message:
            self.heard.append(record)
            self.once.set()


@contextmanager
def listening(message: str) -> Iterator[Listener]:
    listener, log = Listener(message), logging.getLogger("keyrelay")
    log.addHandler(listener)
    try:
        yield listener
    finally:
        log.removeHandler(listener)
