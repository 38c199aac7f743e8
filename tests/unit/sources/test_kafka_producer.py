"""The producer: what it does with a client that failed, and with a silent one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
)

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.producer import (
    OutgoingRecord,
    Producer,
    TooLarge,
)

pytestmark = pytest.mark.timeout(20)

RECORD = OutgoingRecord("t", b"key", b"value", [("name", b"text")])


@dataclass(kw_only=True)
class FakeClient:
    """Fails as it is told to; `silent`, it never answers."""

    start_fault: KafkaError | None = None
    fault: KafkaError | None = None
    silent: bool = False
    stopped: bool = False
    sent: list[str] = field(default_factory=list)

    async def start(self) -> None:
        if self.start_fault is not None:
            raise self.start_fault

    async def stop(self) -> None:
        self.stopped = True

    async def send_and_wait(
        self,
        topic: str,
        *,
        value: bytes,
        key: bytes,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        await asyncio.sleep(0)
        if self.silent:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.sent.append(topic)


def a_producer(
    *clients: FakeClient, patience: timedelta = timedelta(seconds=5)
) -> Producer:
    """Return a producer that makes these clients, one after the other."""
    following = iter(clients)
    return Producer(make=lambda: next(following), patience=patience)


async def test_one_client_sends_all() -> None:
    client = FakeClient()
    producer = a_producer(client)

    await asyncio.gather(*(producer.send(RECORD) for _ in range(3)))
    await producer.close()

    assert client.sent == ["t"] * 3
    assert client.stopped


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(KafkaTimeoutError(), Unavailable), (MessageSizeTooLargeError(), TooLarge)],
    ids=["given up", "too large"],
)
async def test_after_a_record_was_given_up_another_client_takes_over(
    fault: KafkaError, raised: type[Exception]
) -> None:
    first, second = FakeClient(fault=fault), FakeClient()
    producer = a_producer(first, second)

    failed = await asyncio.gather(
        *(producer.send(RECORD) for _ in range(3)), return_exceptions=True
    )
    await producer.send(RECORD)

    assert [type(each) for each in failed] == [raised] * 3
    assert first.stopped
    assert (second.sent, second.stopped) == (["t"], False)


async def test_brokers_that_cannot_be_reached_are_asked_again() -> None:
    first, second = FakeClient(start_fault=KafkaConnectionError()), FakeClient()
    producer = a_producer(first, second)

    with pytest.raises(Unavailable, match="KEYRELAY_QUEUE"):
        await producer.send(RECORD)
    await producer.send(RECORD)

    assert first.stopped
    assert second.sent == ["t"]


async def test_a_silent_client_is_not_waited_for_without_end_and_is_kept() -> None:
    only = FakeClient(silent=True)
    producer = a_producer(only, patience=timedelta(seconds=0.01))

    with pytest.raises(Unavailable, match="in time"):
        await producer.send(RECORD)
    assert not only.stopped
    only.silent, producer.patience = False, timedelta(seconds=5)

    await producer.send(RECORD)


async def test_closing_a_producer_that_sent_nothing_makes_no_client() -> None:
    await a_producer().close()
