"""The tests' own broker returns records, also after it was killed and restarted."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from tests.services.kafka import Kafka, Secured

Access = dict[str, object]
TAKE_AWAY: list[Callable[[Kafka], None]] = [Kafka.stop, Kafka.kill]


async def test_the_broker_returns_the_record_it_was_given(kafka: Kafka) -> None:
    access: Access = {"bootstrap_servers": kafka.bootstrap}

    async with a_topic("smoke", access), a_producer(access) as producer:
        await producer.send_and_wait("smoke", b"hello")

        assert await first_of("smoke", access) == b"hello"


@pytest.mark.parametrize("take_away", TAKE_AWAY, ids=["stopped", "killed"])
async def test_a_broker_that_comes_back_has_its_records(
    kafka: Kafka, take_away: Callable[[Kafka], None]
) -> None:
    access: Access = {"bootstrap_servers": kafka.bootstrap}
    # A name of its own: a broker that is killed while it deletes a topic may not lead
    # one of the same name for minutes.
    topic = f"kept.{take_away.__name__}"

    async with a_topic(topic, access):
        async with a_producer(access) as producer:
            await producer.send_and_wait(topic, b"hello")

        take_away(kafka)
        kafka.start()

        assert await first_of(topic, access) == b"hello"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_the_secured_listener_accepts_a_login_over_tls(
    kafka_secured: Secured, ca_file: Path, mechanism: str
) -> None:
    access: Access = {
        "bootstrap_servers": kafka_secured.bootstrap,
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=ca_file),
        "sasl_mechanism": mechanism,
        "sasl_plain_username": kafka_secured.username,
        "sasl_plain_password": kafka_secured.password,
    }

    async with a_topic("locked", access), a_producer(access) as producer:
        await producer.send_and_wait("locked", b"hello")

        assert await first_of("locked", access) == b"hello"


async def test_a_group_outlives_the_broker_that_coordinates_it(
    kafka_pair: tuple[Kafka, Kafka],
) -> None:
    first, second = kafka_pair
    access: Access = {"bootstrap_servers": [first.bootstrap, second.bootstrap]}

    async with a_topic("moved", access, copies=2):
        async with a_producer(access) as producer:
            await producer.send_and_wait("moved", b"hello")
        group = await led_by(2, access)
        assert await first_of("moved", access, group) == b"hello"
        second.kill()
        try:
            async with a_producer(access) as producer:
                await producer.send_and_wait("moved", b"again")

            assert await first_of("moved", access, group) == b"again"
        finally:
            second.start()


async def test_a_topic_that_was_not_created_does_not_exist(kafka: Kafka) -> None:
    access: Access = {"bootstrap_servers": kafka.bootstrap}

    async with an_admin(access) as admin:
        (described,) = await admin.describe_topics(["never.made"])

    assert described["error_code"] == UnknownTopicOrPartitionError.errno


async def first_of(topic: str, access: Access, group: str | None = None) -> bytes:
    """Return the first record, or the first that this group has not read."""
    consumer = AIOKafkaConsumer(
        topic,
        group_id=group,
        auto_offset_reset="earliest",
        metadata_max_age_ms=1000,  # so that the leader is known soon after a restart
        **access,
    )
    async with consumer:
        record = await consumer.getone()
        if group is not None:
            await consumer.commit()
    assert isinstance(record.value, bytes)
    return record.value


async def led_by(broker: int, access: Access) -> str:
    """Name a group that this broker coordinates."""
    async with an_admin(access) as admin:
        for name in (f"group-{number}" for number in count()):
            with suppress(KafkaError):  # until the brokers have their topic of groups
                if await admin.find_coordinator(name) == broker:
                    return name
    raise AssertionError


@asynccontextmanager
async def a_producer(access: Access) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(acks="all", **access) as producer:
        yield producer


@asynccontextmanager
async def a_topic(name: str, access: Access, copies: int = 1) -> AsyncIterator[None]:
    wanted = NewTopic(name=name, num_partitions=1, replication_factor=copies)
    async with an_admin(access) as admin:
        await admin.create_topics([wanted])
    yield
    async with an_admin(access) as admin:
        await admin.delete_topics([name])


@asynccontextmanager
async def an_admin(access: Access) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**access)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
