"""The queue in Kafka: topics that a consumer group reads, and to which it writes back.

What concurrent callers want is done together, as in the embedded queue: all leases that
were asked for while the last claims were written are one claim, and so are their ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from keyrelay.concurrency.batching import Batch
from keyrelay.model.backlog import (
    Depth,
    Lag,
    PartitionBacklog,
    QueueEntry,
    QueueQuery,
    QueueStatus,
    ReadingLosses,
)
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Act, Intervened
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka import inspection
from keyrelay.sources.kafka.buffer.buffer import new_buffer
from keyrelay.sources.kafka.buffer.fetched import EarlierReading, FetchedRecords
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.producer import Producer
from keyrelay.sources.kafka.inbox import KafkaInbox, new_inbox
from keyrelay.sources.kafka.lease import KafkaLease, KafkaLoan
from keyrelay.sources.kafka.lending import Lending
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions, TopicOwner
from keyrelay.sources.kafka.reading.reader import TopicReader
from keyrelay.sources.kafka.records.made_up_ids import FormerIds
from keyrelay.sources.kafka.settling import LeaseSettling, new_settling
from keyrelay.sources.kafka.topics.names import Topics
from keyrelay.sources.kafka.writer import TopicWriter

_MOST = 500  # of anything in one claim
_ANSWER = 5.0  # seconds; during a rebalance there is no answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KafkaQueue:
    """ports.TriggerQueue. It joins its group when the first lease is asked for."""

    _reader: TopicReader
    _inbox: KafkaInbox
    _settling: LeaseSettling
    _loans: Batch[None, KafkaLoan | None]
    _drained: Batch[None, bool]
    _store: ClaimAccess

    @property
    def losses(self) -> ReadingLosses:
        """Return what this process found in its topics and could not read."""
        return self._reader.buffer.fetched.losses

    @property
    def memory(self) -> int:
        """Return about how many bytes the records take that are not settled."""
        return self._reader.buffer.positions.bytes

    async def accept(self, trigger: Trigger) -> bool:
        return await self._inbox.accept(trigger)

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return await self._inbox.accept_all(triggers)

    async def redrive(self, letter: DeadLetter) -> bool:
        return await self._inbox.redrive(letter)

    async def lease(self, until: asyncio.Event) -> KafkaLease | None:
        buffer = self._reader.buffer
        while not until.is_set():
            self._reader.start()
            self._settling.aside.start()
            count = buffer.wakeup.count
            loan = await self._loans.submit(None)
            if loan is not None:
                return self._settling.begin(loan)
            if buffer.options.drain and await self._drained.submit(None):
                return None
            if buffer.wakeup.count == count:
                await buffer.wakeup.wait(until)
        return None

    async def wake(self, secret: str) -> None:
        self._reader.buffer.wake(secret, self._reader.world.now())

    async def wake_all(self) -> None:
        self._reader.buffer.wake(None, self._reader.world.now())

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return what is known of a trigger; None, no worker has claimed it yet."""
        return await self._store.states.status(profile, id_)

    async def publisher(self, profile: str, id_: str) -> str | None:
        return await self._store.states.publisher(profile, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of triggers that a worker has claimed and that begin so."""
        return await self._store.states.beginning(profile, sought)

    def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        return self._store.people.entries(profile, query, after)

    async def count_unsettled(self, profile: str, most: int) -> int:
        return await self._store.people.count_unsettled(profile, most)

    async def count_held(self) -> int | None:
        return await self._store.people.count_held()

    async def unsettled(self) -> Sequence[PartitionBacklog]:
        reader = self._reader
        with inspection.answering():
            return await inspection.backlogs(reader.clients, reader.buffer.topics)

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        return await self._store.people.intervene(act, profile, ids, note)

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        await self._store.people.conclude(profile, ids)

    async def depth(self) -> Depth:
        if (consumer := self._reader.consumer) is not None:
            await consumer.partitions.commit()
        topics = self._reader.buffer.topics
        with inspection.answering():
            return await inspection.depth(self._reader.clients, topics)

    async def lags(self) -> Sequence[Lag]:
        if (consumer := self._reader.consumer) is None:
            raise Unavailable("Kafka is not being read at this moment")
        now, positions = self._reader.world.now(), self._reader.buffer.positions
        with inspection.answering():
            async with asyncio.timeout(_ANSWER):
                return await inspection.lags(consumer.client, positions, now)

    async def unread(self) -> int:
        """Return how many published records are not settled. Raises Unavailable."""
        reader = self._reader
        with inspection.answering():
            return await inspection.unread(reader.clients, reader.buffer.topics)

    async def close(self) -> None:
        """Return once nothing is read or written any more."""
        try:
            await self._settling.aside.close()
            await self._reader.close()
        finally:
            for batch in (self._loans, self._settling.ends, self._drained):
                await batch.close()
            await self._inbox.close()


@asynccontextmanager
async def open_queue(
    clients: KafkaClients,
    store: ClaimAccess,
    world: World,
    options: KafkaOptions,
    owner: TopicOwner,
    holds: Callable[[str], bool] = lambda _: True,
) -> AsyncIterator[KafkaQueue]:
    """Open the queue; triggers that name no profile belong to the owner's.

    `holds` is an Eligibility's; without it, wakes alone end waits for secrets.
    """
    topics = Topics(main=clients.connection.address.topic)
    earlier = EarlierReading(unclaimed=not store.kept, before=options.cut_before)
    former = _former_ids(store, world)
    fetched = FetchedRecords(
        topics=topics, profile=owner.profile, former_ids=former, earlier=earlier
    )
    buffer = new_buffer(fetched, options, holds)
    producer = Producer(make=clients.producer)
    writer = TopicWriter(producer=producer, topics=topics, world=world, owner=owner)
    reader = TopicReader(clients=clients, buffer=buffer, world=world)
    lending = Lending(buffer=buffer, claims=store.claims, writer=writer, world=world)
    settling = new_settling(store.claims, buffer, writer, kept=store.kept)
    queue = _assembled(store, reader, writer, lending, settling)
    try:
        yield queue
    finally:
        await queue.close()


def _assembled(
    store: ClaimAccess,
    reader: TopicReader,
    writer: TopicWriter,
    lending: Lending,
    settling: LeaseSettling,
) -> KafkaQueue:
    return KafkaQueue(
        _reader=reader,
        _inbox=new_inbox(writer, store.states),
        _settling=settling,
        _loans=Batch(run=partial(_lend, reader, lending), most=_MOST),
        _drained=Batch(run=partial(_drained, reader), most=_MOST),
        _store=store,
    )


def _former_ids(store: ClaimAccess, world: World) -> FormerIds:
    return FormerIds(
        states=store.states,
        world=world,
        upgraded_at=store.upgraded_at,
        window=store.window,
    )


async def _lend(
    reader: TopicReader, lending: Lending, asked: Sequence[None]
) -> Sequence[KafkaLoan | None]:
    loans = await lending.lend(asked)
    if reader.consumer is not None:
        reader.consumer.partitions.resume()
    return loans


async def _drained(reader: TopicReader, asked: Sequence[None]) -> Sequence[bool]:
    return [await reader.has_done_all()] * len(asked)
