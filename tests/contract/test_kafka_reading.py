"""Reading: nothing is stepped over, neither in silence nor to save memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import RequestTimedOutError
from aiokafka.structs import TopicPartition

from keyrelay.model.data_point import DataPoint
from keyrelay.model.settlement import Done
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.unpacking import LARGEST_BATCH
from tests.contract.kafka_logs import Log, Member, a_log, listening
from tests.contract.queues import trigger
from tests.contract.test_kafka_poison import drained, with_a_header
from tests.samples import a_trigger
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(90)

MEBIBYTE = 1024 * 1024


def large(id_: str, size: int) -> Trigger:
    text = "0" * size
    point = DataPoint({Fact.VALUE: text}, {"value": text})
    return a_trigger(point, id_=id_)


@asynccontextmanager
async def a_packing_producer(
    log: Log, packer: str, batch: int
) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **log.clients.connection.arguments(),
        compression_type=packer,
        max_batch_size=batch,
        max_request_size=2 * batch + 2 * MEBIBYTE,
        linger_ms=500 if batch > LARGEST_BATCH else 0,
    )
    async with producer:
        yield producer


async def work(member: Member, count: int) -> Sequence[str]:
    ids = []
    for _ in range(count):
        lease = await member.lease()
        ids.append(lease.trigger.id)
        await lease.settle(Done())
    return ids


# Retention


async def a_log_that_lost_some(kafka: Kafka) -> Log:
    """Three of its nine triggers are settled, and four after them are deleted."""
    log = await a_log(kafka)
    await log.write(*[trigger(f"t{n}").encode() for n in range(3)])
    assert await drained(log) == ["t0", "t1", "t2"]
    await log.write(*[trigger(f"t{n}").encode() for n in range(3, 9)])
    partition = TopicPartition(log.topics.main, 0)
    async with log.clients.administrating() as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=7)})
    return log


async def test_what_retention_deleted_before_it_was_read_is_reported(
    kafka: Kafka,
) -> None:
    log = await a_log_that_lost_some(kafka)

    with listening("records lost before they were read") as listener:
        async with log.member() as member:
            assert await work(member, 2) == ["t7", "t8"]
            await listener.once.wait()
            losses = member.queue.losses

    (said,) = [vars(record) for record in listener.heard]
    assert (said["topic"], said["partition"]) == (log.topics.main, 0)
    assert (said["first"], said["last"]) == (3, 6)
    assert said["levelname"] == "ERROR"
    assert losses.lost == {log.topics.main: 4}


class BusyConsumer(AIOKafkaConsumer):  # type: ignore[misc] # it ships no types
    """Does not say at first where a partition begins, like brokers that are busy."""

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        self.__class__ = AIOKafkaConsumer
        raise RequestTimedOutError


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyClients(KafkaClients):
    def consumer(self) -> AIOKafkaConsumer:
        consumer = KafkaClients.consumer(self)
        consumer.__class__ = BusyConsumer
        return consumer


async def test_a_loss_is_reported_once_the_brokers_say_so(kafka: Kafka) -> None:
    log = await a_log_that_lost_some(kafka)
    clients = BusyClients(connection=log.clients.connection)

    with listening("records lost before they were read") as listener:
        async with log.member(clients=clients) as member:
            assert await work(member, 2) == ["t7", "t8"], "reading does not wait"
            await listener.once.wait()
            assert member.queue.losses.lost == {log.topics.main: 4}


async def test_what_is_no_record_is_not_reported_as_lost(kafka: Kafka) -> None:
    log = await a_log(kafka)

    with listening("records lost before they were read") as listener:
        for number in range(3):
            value = trigger(f"t{number}").encode()
            await log.write_in_transaction(value, commit=False)
            await log.write_in_transaction(value, commit=True)
            assert await drained(log) == [f"t{number}"]

    assert not listener.heard


# Transactions


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
async def test_the_end_of_a_transaction_leaves_no_lag(
    kafka: Kafka, *, commit: bool
) -> None:
    log = await a_log(kafka)
    await log.write(trigger("before").encode())
    await log.write_in_transaction(trigger("within").encode(), commit=commit)

    async with log.member() as member:
        await work(member, 2 if commit else 1)
        while await waiting(member):
            pass
    async with log.member() as member:
        assert await waiting(member) == 0, "also for the next consumer"


async def test_where_there_is_nothing_but_ends_of_transactions_is_no_lag(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka)
    await log.write_in_transaction(trigger().encode(), commit=False)

    async with log.member() as member:
        stop = asyncio.Event()
        lane = asyncio.create_task(member.queue.lease(stop))
        while await waiting(member):
            pass
        stop.set()
        assert await lane is None


async def waiting(member: Member) -> int:
    return (await member.queue.depth()).waiting


# Memory


@pytest.mark.parametrize("packer", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_that_unpack_to_much_are_all_attempted_in_little_memory(
    kafka: Kafka, packer: str
) -> None:
    log = await a_log(kafka)
    count = 60
    async with a_packing_producer(log, packer, 16 * 1024) as producer:
        for number in range(count):
            value = large(f"t{number}", MEBIBYTE - 1000).encode()
            await producer.send_and_wait(log.topics.main, value)
    most = 0

    async with log.member() as member:
        ids: list[str] = []
        for _ in range(count):
            ids += await work(member, 1)
            most = max(most, member.queue.memory)

    assert ids == [f"t{number}" for number in range(count)]
    assert most < 64 * MEBIBYTE


async def test_a_batch_that_cannot_be_held_stands_and_the_others_go_on(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka, partitions=2)
    await log.write(trigger("before").encode())
    async with a_packing_producer(log, "gzip", 2 * LARGEST_BATCH) as producer:
        one = large("large", MEBIBYTE - 1000).encode()
        sent = [
            await producer.send(log.topics.main, one, partition=0)
            for _ in range(LARGEST_BATCH // MEBIBYTE + 2)
        ]
        await asyncio.gather(*sent)
    await log.write(trigger("behind").encode())
    await log.write(*[trigger(f"t{n}").encode() for n in range(5)], partition=1)

    with listening("partition stands at a batch that cannot be held") as listener:
        async with log.member() as member:
            ids = await work(member, 6)
            await listener.once.wait()
            await log.write(trigger("later").encode(), partition=1)
            assert await work(member, 1) == ["later"]

    assert sorted(ids) == ["before", "t0", "t1", "t2", "t3", "t4"]
    said = vars(listener.heard[0])
    assert (said["topic"], said["partition"], said["offset"]) == (log.topics.main, 0, 1)
    assert (await log.committed())[log.topics.main] == 1 + 6


# Records that cannot be decoded


async def test_a_record_that_cannot_be_decoded_takes_none_of_other_partitions_along(
    kafka: Kafka, kcat: Path
) -> None:
    log = await a_log(kafka, partitions=2)
    wanted = []
    for number in range(20):
        await log.write(trigger(f"a{number}").encode(), partition=1)
        await with_a_header(kcat, log, b"\xff", b"unread\n")
        await log.write(trigger(f"b{number}").encode(), partition=0)
        wanted += [f"a{number}", f"b{number}"]

    assert sorted(await drained(log)) == sorted(wanted)
