"""Faults: brokers that stop, topics that are missing or small, consumers that hang."""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.data_point import DataPoint
from keyrelay.model.settlement import Done, Settlement, TryAgain
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Lease, Unavailable
from keyrelay.sources.kafka.connecting.clients import KafkaClients, start
from keyrelay.sources.kafka.options import Window
from tests.contract.kafka_logs import (
    INTERVALS,
    OPTIONS,
    a_log,
    clients_at,
    create,
    listening,
    without_topics,
)
from tests.contract.queues import trigger
from tests.contract.silence import way_to
from tests.samples import a_trigger
from tests.services import loopback
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(90)

SOON = TryAgain(after=timedelta(seconds=1))
METADATA = b"\x00\x03\x00"  # how such a request begins, after its length
SMALL = {"max.message.bytes": "4000"}


def large(id_: str = "large", size: int = 8000) -> Trigger:
    text = "x" * size
    point = DataPoint({Fact.VALUE: text}, {"value": text})
    return a_trigger(point, id_=id_)


# Brokers


async def test_work_goes_on_when_the_broker_is_back(kafka: Kafka) -> None:
    log = await a_log(kafka)
    ids = [f"t{number}" for number in range(20)]
    await log.write(*(trigger(id_).encode() for id_ in ids))
    async with log.member(replace(OPTIONS, drain=True)) as member:
        leases = list(await member.leases(10))
        await leases.pop().settle(Done())

        await asyncio.to_thread(kafka.kill)
        back = asyncio.Event()
        for lease in leases[:5]:
            await lease.settle(Done())
        retried = asyncio.create_task(_insist(leases[5], SOON, back))
        async with log.member() as publisher:
            with pytest.raises(Unavailable):
                await publisher.queue.accept(trigger("late"))
            await asyncio.to_thread(kafka.start)
            await publisher.queue.accept(trigger("late"))
        back.set()
        await retried
        for lease in leases[6:]:
            await lease.settle(Done())

        attempted = [lease.trigger.id for lease in leases]
        log.clock.advance(SOON.after)
        while (more := await member.queue.lease(asyncio.Event())) is not None:
            attempted.append(more.trigger.id)
            await more.settle(Done())

    done = [id_ for (_, id_) in log.book.entries]
    assert sorted(done) == sorted([*ids, "late"])
    assert len(attempted) == len(ids) + 1  # one was popped, one retried, one came late


async def _insist(lease: Lease, settlement: Settlement, back: asyncio.Event) -> None:
    try:
        await lease.settle(settlement)
    except Unavailable:
        await back.wait()
        await lease.settle(settlement)


# Topics


@pytest.mark.parametrize("make", [KafkaClients.consumer, KafkaClients.producer])
async def test_a_start_that_is_cut_short_leaves_no_connection_open(
    kafka: Kafka, make: Callable[[KafkaClients], AIOKafkaConsumer | AIOKafkaProducer]
) -> None:
    async with way_to(kafka.port) as way:
        way.unanswered = METADATA
        client = make(clients_at(f"{loopback.HOST}:{way.port}", "group"))
        starting = asyncio.create_task(start(client))
        await way.silenced.wait()

        starting.cancel()
        way.speak_again()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await client.stop()

    gc.collect()  # a connection that is still open warns, and the test fails


async def test_missing_topics_are_reported_once_and_waited_for(kafka: Kafka) -> None:
    log = without_topics(kafka)
    with listening("nothing is read") as listener:
        async with log.member() as member:
            lease = asyncio.create_task(member.lease())
            await listener.once.wait()
            await create(log)
            await member.queue.accept(trigger())

            assert (await lease).trigger == trigger()

    (line,) = listener.heard
    why = line.__dict__["reason"]
    assert "keyrelay topics create" in why
    assert log.topics.dead in why


async def test_what_is_too_large_for_a_retry_topic_waits_in_memory(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka, settings={".retry.5s": SMALL})
    again = TryAgain(after=timedelta(seconds=20))
    async with log.member() as member:
        await member.queue.accept(large())
        lease = await member.lease()
        await lease.settle(again)
        await member.queue.accept(trigger())
        await (await member.lease()).settle(again)

        log.clock.advance(again.after)
        leases = await member.leases(2)

        assert {(each.trigger.id, each.number) for each in leases} == {
            ("large", 2),
            ("t1", 2),
        }
        for each in leases:
            await each.settle(Done())
        assert [
            record.value for record in await log.read(f"{log.topics.main}.retry.5s")
        ]
    assert (await log.committed())[log.topics.main] == 2


async def test_what_is_too_large_for_the_next_retry_topic_waits_in_memory(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka, settings={".retry.1s": SMALL})
    async with log.member() as member:
        await member.queue.accept(large())
        await (await member.lease()).settle(TryAgain(after=timedelta(seconds=9)))
        with listening("record kept in memory") as listener:
            log.clock.advance(timedelta(seconds=5.5))
            again = asyncio.create_task(member.lease())
            await listener.once.wait()
            assert not again.done()
            log.clock.advance(timedelta(seconds=3.5))

            assert (await again).number == 2


async def test_what_is_too_large_for_the_topic_is_refused_and_the_next_is_accepted(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka, settings={"": SMALL})
    async with log.member() as member:
        await member.queue.accept(trigger("t1"))

        with pytest.raises(Unavailable, match="topics check"):
            await member.queue.accept(large())
        await member.queue.accept(trigger("t2"))

    records = await log.read(log.topics.main)
    assert [record.value for record in records] == [
        trigger(id_).encode() for id_ in ("t1", "t2")
    ]


# Windows


async def test_no_more_is_read_than_the_window_holds(kafka: Kafka) -> None:
    log = await a_log(kafka)
    count, size = 40, 200_000
    await log.write(*(large(f"t{n}", size).encode() for n in range(count)))
    window = Window(bytes=2 * 1024 * 1024)
    most = 0
    async with log.member(replace(OPTIONS, drain=True, window=window)) as member:
        positions = member.queue._reader.buffer.positions
        done = []
        while (lease := await member.queue.lease(asyncio.Event())) is not None:
            most = max(most, positions.bytes)
            done.append(lease.trigger.id)
            await lease.settle(Done())

    # Half the window is for what was published, and one fetch may come on top of it.
    assert len(set(done)) == len(done) == count
    assert 1024 * 1024 < most <= 1024 * 1024 + 1024 * 1024 + 2 * size


async def test_what_waits_leaves_room_for_what_was_published(kafka: Kafka) -> None:
    log = await a_log(kafka)
    window = Window(bytes=2 * 1024 * 1024)
    async with log.member(replace(OPTIONS, window=window)) as member:
        for number in range(12):
            await member.queue.accept(large(f"w{number}", 200_000))
            lease = await member.lease()
            await lease.settle(TryAgain(after=timedelta(minutes=11)))
        await member.queue.accept(trigger())

        assert (await member.lease()).trigger == trigger()


# Consumers


class SilentConsumer(AIOKafkaConsumer):  # type: ignore[misc] # it ships no types
    """Stays in its group and gets nothing, like a client that has locked up."""

    async def getmany(
        self, *_: TopicPartition, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        await asyncio.Event().wait()
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSilent(KafkaClients):
    made: list[AIOKafkaConsumer] = field(default_factory=list)

    def consumer(self) -> AIOKafkaConsumer:
        consumer = KafkaClients.consumer(self)
        if not self.made:
            consumer.__class__ = SilentConsumer
        self.made.append(consumer)
        return consumer


async def test_a_consumer_that_gets_nothing_is_replaced(kafka: Kafka) -> None:
    log = await a_log(kafka)
    clients = FirstSilent(connection=log.clients.connection)
    impatient = replace(
        OPTIONS, intervals=replace(INTERVALS, stall=timedelta(seconds=1))
    )
    with listening("nothing is read") as listener:
        async with log.member(impatient, clients) as member:
            await member.queue.accept(trigger())

            lease = await member.lease()

            assert lease.trigger == trigger()
            await lease.settle(Done())
    assert len(clients.made) == 2
    assert "Stalled" in listener.heard[0].__dict__["reason"]
    assert await log.committed() == {log.topics.main: 1}
