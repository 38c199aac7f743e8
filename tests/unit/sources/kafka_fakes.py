"""Fakes of Kafka's clients that tests control, and a queue that uses them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.claim import Arrival, Ending, Judgement
from keyrelay.model.dead_letter import UnreadableLetter
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.connecting.address import Address
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.connection import Connection
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions, TopicOwner
from keyrelay.sources.kafka.queue import KafkaQueue, open_queue
from keyrelay.sources.kafka.reading.consumer import Consumer
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.fakes import Clock, Story
from tests.memory_claims import Book, MemoryClaims
from tests.samples import NOON, PROFILE
from tests.unit.sources.kafka_records import TOPICS

CONNECTION = Connection(
    address=Address(brokers=("b:1",), topic="t", group="g", profile=None),
    tls=None,
    mechanism=None,
    username=None,
    password=None,
)


@dataclass(kw_only=True)
class FakeProducer:
    """Tells what it writes, and keeps when that is due. A write raises `fault`."""

    story: Story
    fault: KafkaError | None = None
    due: list[bytes] = field(default_factory=list)
    headers: list[Sequence[tuple[str, bytes]]] = field(default_factory=list)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def send_and_wait(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        if self.fault is not None:
            raise self.fault
        self.story.tell(f"write {topic}")
        self.headers.append(headers)
        self.due += [text for name, text in headers if name == "keyrelay-due"]


@dataclass(kw_only=True, eq=False)
class FakeConsumer:
    """A member of a group; the test assigns, revokes and feeds its partitions.

    A commit raises `refusal`, a question for offsets raises `silence`; such a question
    sets `asked` and waits for `answer`. `handed` is set once records were fetched.
    """

    refusal: Exception | None = None
    silence: Exception | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    handed: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    full: asyncio.Event = field(default_factory=asyncio.Event)
    commits: list[Mapping[TopicPartition, int]] = field(default_factory=list)
    paused: set[TopicPartition] = field(default_factory=set)
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _read: dict[TopicPartition, int] = field(default_factory=dict)
    _waiting: dict[TopicPartition, list[ConsumerRecord]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _listener: ConsumerRebalanceListener | None = None

    def __post_init__(self) -> None:
        self.answer.set()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def topics(self) -> set[str]:
        return {*TOPICS.read, TOPICS.dead}

    def subscribe(
        self, topics: Collection[str], listener: ConsumerRebalanceListener
    ) -> None:
        self._listener = listener

    def assignment(self) -> set[TopicPartition]:
        return {*self._ends}

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        while not (fetched := self._fetched()) and not self._news.is_set():
            await self._news.wait()
        self._news.clear()
        if fetched:
            self.handed.set()
        return fetched

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.commits.append(offsets)

    async def end_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        self.asked.set()
        await self.answer.wait()
        if self.silence is not None:
            raise self.silence
        return {each: self._ends[each] for each in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self._read[partition]

    async def committed(self, partition: TopicPartition) -> int | None:
        return None

    def pause(self, partition: TopicPartition) -> None:
        self.paused.add(partition)
        self.full.set()

    def resume(self, partition: TopicPartition) -> None:
        self.paused.discard(partition)
        self._news.set()

    async def give(self, *partitions: TopicPartition) -> None:
        """Assign partitions, all that there are from now on."""
        self._ends = dict.fromkeys(partitions, 0)
        self._read = dict.fromkeys(partitions, 0)
        await self.listener.on_partitions_assigned({*partitions})

    async def take_away(self) -> None:
        """Revoke all partitions, as a rebalance does."""
        self._waiting.clear()
        await self.listener.on_partitions_revoked({*self._ends})
        self._ends = {}

    def feed(self, *records: ConsumerRecord, hidden: bool = False) -> None:
        """Write records; `hidden` ones are in the topic, but are not fetched."""
        for each in records:
            partition = TopicPartition(each.topic, each.partition)
            self._ends[partition] = each.offset + 1
            if not hidden:
                self._waiting.setdefault(partition, []).append(each)
        self.look()

    def look(self) -> None:
        """Let the consumer fetch once more."""
        self._news.set()

    @property
    def listener(self) -> ConsumerRebalanceListener:
        assert self._listener is not None
        return self._listener

    def _fetched(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        reading = [each for each in self._waiting if each not in self.paused]
        fetched = {each: self._waiting.pop(each) for each in reading}
        for partition, records in fetched.items():
            self._read[partition] = records[-1].offset + 1
        return fetched


@dataclass(frozen=True, kw_only=True)
class FakeClients(KafkaClients):
    of: "House"

    def consumer(self) -> FakeConsumer:
        self.of.consumers.append(FakeConsumer())
        self.of.made.set()
        return self.of.consumers[-1]

    def producer(self) -> FakeProducer:
        return self.of.producer


@dataclass(slots=True, kw_only=True, eq=False)
class TellingClaims(MemoryClaims):
    """`calls` is how many it takes before it is down."""

    story: Story
    calls: int | None = None

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        self.down = self.down or self.calls == 0
        self.calls = None if self.calls is None else self.calls - 1
        verdicts = await MemoryClaims.claim(self, arrivals)
        self.story.tell(f"claim {_ids(arrivals)}")
        return verdicts

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        ended = await MemoryClaims.end(self, endings)
        for each in endings:
            self.story.tell(f"end {each.claimed.id}: {each.status}")
        return ended


@dataclass(kw_only=True, eq=False)
class House:
    """A queue and all that it speaks to; `story` is what becomes durable, in order.

    `paused` are the secrets that hold triggers back; None, wakes alone end waits.
    """

    story: Story = field(default_factory=Story)
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    book: Book = field(default_factory=Book)
    consumers: list[FakeConsumer] = field(default_factory=list)
    made: asyncio.Event = field(default_factory=asyncio.Event)
    paused: set[str] | None = None
    profile: str | None = PROFILE
    buried: list[UnreadableLetter] = field(default_factory=list)
    buries: Unavailable | None = None

    def __post_init__(self) -> None:
        self.producer = FakeProducer(story=self.story)
        self.claims = TellingClaims(
            world=self.clock.world(), book=self.book, story=self.story
        )

    @property
    def consumer(self) -> FakeConsumer:
        return self.consumers[-1]

    @asynccontextmanager
    async def queue(
        self,
        *partitions: TopicPartition,
        options: KafkaOptions | None = None,
        access: ClaimAccess | None = None,
    ) -> AsyncIterator[KafkaQueue]:
        """Open a queue that has joined its group, and has these partitions."""
        clients = FakeClients(connection=CONNECTION, of=self)
        memory = access or ClaimAccess(
            claims=self.claims, states=self.claims, people=Unclaimed()
        )
        chosen = options or KafkaOptions()
        owner = TopicOwner(profile=self.profile, bury=self._bury)
        opened = open_queue(
            clients, memory, self.clock.world(), chosen, owner, self._holds
        )
        upkeep = self.clock.next_sleep()
        async with opened as queue:
            queue._reader.start()
            await self.made.wait()
            await upkeep.wait()
            await self.consumer.give(*partitions)
            yield queue

    async def _bury(self, letters: Sequence[UnreadableLetter]) -> None:
        if self.buries is not None:
            raise self.buries
        self.story.tell("keep letter")
        self.buried += letters

    def _holds(self, secret: str) -> bool:
        return self.paused is None or secret in self.paused


def positions_of(queue: KafkaQueue) -> Positions:
    return queue._reader.buffer.positions


def consumer_of(queue: KafkaQueue) -> Consumer:
    consumer = queue._reader.consumer
    assert consumer is not None
    return consumer


def _ids(arrivals: Iterable[Arrival]) -> str:
    return ", ".join(each.id for each in arrivals)
