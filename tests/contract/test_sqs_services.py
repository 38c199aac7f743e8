"""The SQS dispatcher against servers that keep real queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from keyrelay.dispatchers.sqs.client import SqsClientFactory
from keyrelay.dispatchers.sqs.dispatcher import SqsDispatcher
from keyrelay.dispatchers.sqs.instruction import QueueMessage, QueueMessages
from keyrelay.dispatchers.sqs.pool import SenderPool
from keyrelay.model.outcome import Delivered, Fault, Rejected
from keyrelay.model.secret import OpenedSecret, Secret, SecretValue
from keyrelay.network.egress import Egress
from tests.services.localstack import LocalStack

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REGION = "eu-central-1"
KEY_ID, KEY = "AKIAIOSFODNN7EXAMPLE", "hunter2"


@dataclass(frozen=True, slots=True)
class Service:
    """A server of queues, and how to look into them."""

    endpoint: str

    def create_queue(self, name: str, **attributes: str) -> str:
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        # Other tests have queues there, too.
        name = f"dispatched-{name}"
        answer = self._client().create_queue(QueueName=name, Attributes=attributes)
        url: str = answer["QueueUrl"]
        assert url.startswith(self.endpoint)
        return url

    def messages(self, queue: str, count: int) -> list[dict[str, Any]]:
        """Take `count` messages off the queue, and see that there are no more."""
        found: list[dict[str, Any]] = []
        while len(found) < count and (more := self._receive(queue, wait=5)):
            found += more
        return found + self._receive(queue, wait=0)

    def _receive(self, queue: str, *, wait: int) -> list[dict[str, Any]]:
        client = self._client()
        answer = client.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        for message in found:
            client.delete_message(
                QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]
            )
        return found

    def _client(self) -> Any:
        return boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=KEY,
        )


@pytest.fixture(scope="module")
def moto() -> Iterator[Service]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield Service(f"http://127.0.0.1:{port}")
    server.stop()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Service:
    if request.param == "moto":
        found: Service = request.getfixturevalue("moto")
        return found
    running: LocalStack = request.getfixturevalue("localstack")
    return Service(running.endpoint)


on_each_service = pytest.mark.parametrize(
    "service", ["moto", "localstack"], indirect=True
)


@pytest.fixture(name="dispatcher")
async def fresh_dispatcher(service: Service) -> AsyncIterator[SqsDispatcher]:
    endpoints = (service.endpoint,)
    clients = SqsClientFactory(egress=Egress(), trusted=frozenset(endpoints))
    pool = SenderPool(make=clients.make, now=lambda: NOON)
    dispatcher = SqsDispatcher(endpoints=endpoints, pool=pool)
    yield dispatcher
    await dispatcher.close()


def opened(url: str) -> OpenedSecret:
    value = {
        "aws_region": REGION,
        "queue_url": url,
        "access_key_id": KEY_ID,
        "secret_access_key": KEY,
    }
    return OpenedSecret(
        secret=Secret(
            id="5f" * 12,
            profile="6a" * 12,
            key="orders",
            type="aws-sqs",
            version=1,
            tags=(),
        ),
        value=SecretValue(json.dumps(value)),
    )


def message(
    part: int,
    body: str,
    *,
    trigger: str = "t",
    group: str | None = None,
    delay: timedelta | None = None,
) -> QueueMessage:
    return QueueMessage(
        part=str(part),
        body=body,
        group_id=group,
        deduplication_id=f"{trigger}.{part}",
        delay=delay,
        attributes=(("unit", "°C"), ("empty", "")),
    )


def messages(
    *bodies: str, trigger: str = "t", group: str | None = None
) -> QueueMessages:
    return QueueMessages(
        tuple(
            message(number, body, trigger=trigger, group=group)
            for number, body in enumerate(bodies)
        )
    )


@on_each_service
async def test_a_standard_queue_gets_body_and_attributes(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("one-at-a-time")

    outcome = await dispatcher.dispatch(messages("grüße 😀"), opened(queue))

    (received,) = await asyncio.to_thread(service.messages, queue, 1)
    assert isinstance(outcome, Delivered)
    assert outcome.receipt == received["MessageId"]
    assert received["Body"] == "grüße 😀"
    assert received["MessageAttributes"] == {
        "unit": {"DataType": "String", "StringValue": "°C"}
    }


@on_each_service
async def test_every_message_of_many_triggers_arrives_once(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("many")
    bodies = [[f"{trigger}.{n}" for n in range(7)] for trigger in range(12)]

    outcomes = await asyncio.gather(
        *(
            dispatcher.dispatch(messages(*listed, trigger=listed[0]), opened(queue))
            for listed in bodies
        )
    )

    received = await asyncio.to_thread(service.messages, queue, 84)
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert sorted(m["Body"] for m in received) == sorted(chain(*bodies))


@on_each_service
async def test_a_fifo_queue_keeps_the_order_of_a_group_and_drops_repeats(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("ordered.fifo")
    trigger = messages(*"abcdefghijklm", group="pump-7")

    first = await dispatcher.dispatch(trigger, opened(queue))
    again = await dispatcher.dispatch(trigger, opened(queue))

    received = await asyncio.to_thread(service.messages, queue, 13)
    assert isinstance(first, Delivered)
    assert isinstance(again, Delivered)
    assert "".join(m["Body"] for m in received) == "abcdefghijklm"


@on_each_service
async def test_a_delayed_message_waits(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("delayed")
    late = message(0, "late", delay=timedelta(minutes=15))

    outcome = await dispatcher.dispatch(QueueMessages((late,)), opened(queue))

    assert isinstance(outcome, Delivered)
    assert await asyncio.to_thread(service.messages, queue, 0) == []


@on_each_service
async def test_a_queue_that_does_not_exist_is_the_definitions_fault(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("there").replace("there", "elsewhere")

    outcome = await dispatcher.dispatch(messages("a"), opened(queue))

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION


@on_each_service
async def test_the_queues_own_limit_is_kept(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("small", MaximumMessageSize="2048")

    outcome = await dispatcher.dispatch(messages("x" * 4000, "y"), opened(queue))

    received = await asyncio.to_thread(service.messages, queue, 1)
    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.TRIGGER
    assert "2048" in outcome.reason
    assert [m["Body"] for m in received] == ["y"]


@on_each_service
async def test_large_messages_go_in_calls_of_their_own(
    dispatcher: SqsDispatcher, service: Service
) -> None:
    queue = service.create_queue("large")

    outcome = await dispatcher.dispatch(messages(*["x" * 200_000] * 6), opened(queue))

    received = await asyncio.to_thread(service.messages, queue, 6)
    assert isinstance(outcome, Delivered)
    assert [len(m["Body"]) for m in received] == [200_000] * 6
