"""The page for producers: what it shows is run against the real broker."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from jsonschema import Draft202012Validator

from keyrelay.model.trigger import Trigger
from keyrelay.sources.cloud_event import unwrap
from keyrelay.sources.kafka.connecting.access import Access
from keyrelay.sources.kafka.connecting.address import parse_address
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.connection import connection_to
from keyrelay.sources.kafka.topics.admin import open_administrator
from keyrelay.sources.kafka.topics.layout import TopicSize, wanted_topics
from keyrelay.sources.kafka.topics.names import Topics
from tests.samples import ORIGIN
from tests.services.kafka import Kafka

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "producers.md").read_text("utf-8")
ACTION = "6745d2f0c1a95e3b7d8842aa"


def shown(title: str, language: str) -> str:
    """Return the code that stands below a heading."""
    _, heading, rest = PAGE.partition(f"\n## {title}\n")
    section = rest.partition("\n## ")[0]
    assert heading, f"the page has no section {title!r}"
    (code,) = re.findall(rf"```{language}\n(.*?)\n```", section, re.DOTALL)
    assert isinstance(code, str)
    return code


def adapted(code: str, kafka: Kafka, topic: str) -> str:
    return code.replace("kafka.example.com:9092", kafka.bootstrap).replace(
        "keyrelay.triggers", topic
    )


@asynccontextmanager
async def topic_for(
    kafka: Kafka, name: str, partitions: int = 1
) -> AsyncIterator[AIOKafkaConsumer]:
    """Make the topic and read it from its beginning."""
    address = parse_address(f"kafka://{kafka.bootstrap}?topic={name}")
    clients = KafkaClients(connection=connection_to(address, Access()))
    size = TopicSize(partitions=partitions, replication=1)
    async with open_administrator(clients) as administrator:
        await administrator.create(wanted_topics(Topics(main=name), size)[:1])
    async with AIOKafkaConsumer(
        name, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        yield consumer


async def carry_out(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


def trigger_in(record: ConsumerRecord) -> Trigger:
    unwrapped = unwrap(record.value, record.headers)
    return Trigger.parse(unwrapped.document, ORIGIN)


@pytest.mark.parametrize("title", ["Python", "CloudEvents"])
async def test_the_python_that_is_shown_publishes_a_trigger(
    kafka: Kafka, title: str
) -> None:
    topic = f"producers.{title.lower()}"
    async with topic_for(kafka, topic) as consumer:
        code = adapted(shown(title, "python"), kafka, topic)
        await carry_out(sys.executable, "-c", code)

        record = await consumer.getone()

    assert trigger_in(record).action == ACTION
    assert record.key == b"door-17"


async def test_the_kcat_that_is_shown_publishes_a_trigger(
    kafka: Kafka, kcat: Path
) -> None:
    topic = "producers.kcat"
    async with topic_for(kafka, topic) as consumer:
        typed = shown("kcat", "console").removeprefix("$ ")
        command = adapted(typed, kafka, topic).replace(" kcat ", f" {kcat} ")
        await carry_out("sh", "-c", command)

        record = await consumer.getone()

    assert trigger_in(record).id == "door-17-0001"
    assert record.key == b"door-17"


async def test_all_clients_that_are_shown_put_a_key_into_one_partition(
    kafka: Kafka, kcat: Path
) -> None:
    topic = "producers.partitions"
    async with topic_for(kafka, topic, partitions=12) as consumer:
        for key in (f"door-{number}" for number in range(4)):
            typed = shown("kcat", "console").removeprefix("$ ").replace("door-17", key)
            command = adapted(typed, kafka, topic).replace(" kcat ", f" {kcat} ")
            await carry_out("sh", "-c", command)
            code = adapted(shown("Python", "python"), kafka, topic)
            await carry_out(sys.executable, "-c", code.replace("door-17", key))

            first, second = await consumer.getone(), await consumer.getone()

            assert first.key == second.key == key.encode()
            assert first.partition == second.partition


def test_the_partitioner_is_named_wherever_keys_are() -> None:
    for page in (PAGE, (DOCS / "asyncapi.yaml").read_text("utf-8")):
        assert "murmur2" in page
        assert "partitioner=murmur2_random" in page


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_a_producer_may_compress_as_it_likes(
    kafka: Kafka, kcat: Path, tmp_path: Path, codec: str
) -> None:
    """A worker that lacks a codec stands still at the first record in it."""
    topic = f"producers.{codec}"
    file = tmp_path / "trigger"
    file.write_text(json.dumps({"action": ACTION, "data": {"value": "°C" * 5000}}))
    async with topic_for(kafka, topic) as consumer:
        await carry_out(
            str(kcat), "-P", "-b", kafka.bootstrap, "-t", topic, "-z", codec, str(file)
        )

        record = await consumer.getone()

    assert trigger_in(record).action == ACTION


def test_the_trigger_that_is_shown_is_one() -> None:
    (shown_,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    schema = json.loads((DOCS / "trigger.schema.json").read_text())

    Draft202012Validator(schema).validate(json.loads(shown_))


def test_the_java_that_is_shown_publishes_the_same_trigger() -> None:
    """Its JSON, at least: to run it takes a compiler."""
    (document,) = re.findall(r'"""\s*(\{.*?\})"""', shown("Java", "java"))

    assert f"'{document}'" in shown("kcat", "console")
