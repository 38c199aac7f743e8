"""The outbox: what it does with a producer that failed, and with one that is silent."""

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

PARCEL = OutgoingRecord("t", b"key", b"value", [("name", b"text")])


@dataclass(kw_only=True)
class FakeProducer:
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


def outbox(*producers: FakeProducer) -> Producer:
    """Return an outbox that makes these, one after the other."""
    following = iter(producers)
    return Producer(make=lambda: next(following), patience=timedelta(seconds=0.01))


async def test_one_producer_sends_all() -> None:
    producer = FakeProducer()
    box = outbox(producer)

    await asyncio.gather(*(box.send(PARCEL) for _ in range(3)))
    await box.close()

    assert producer.sent == ["t"] * 3
    assert producer.stopped


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(KafkaTimeoutError(), Unavailable), (MessageSizeTooLargeError(), TooLarge)],
    ids=["given up", "too large"],
)
async def test_after_a_record_was_given_up_another_producer_takes_over(
    fault: KafkaError, raised: type[Exception]
) -> None:
    first, second = FakeProducer(fault=fault), FakeProducer()
    box = outbox(first, second)

    failed = await asyncio.gather(
        *(box.send(PARCEL) for _ in range(3)), return_exceptions=True
    )
    await box.send(PARCEL)

    assert [type(each) for each in failed] == [raised] * 3
    assert first.stopped
    assert (second.sent, second.stopped) == (["t"], False)


async def test_brokers_that_cannot_be_reached_are_asked_again() -> None:
    first, second = FakeProducer(start_fault=KafkaConnectionError()), FakeProducer()
    box = outbox(first, second)

    with pytest.raises(Unavailable, match="KEYRELAY_QUEUE"):
        await box.send(PARCEL)
    await box.send(PARCEL)

    assert first.stopped
    assert second.sent == ["t"]


async def test_a_silent_producer_is_waited_for_no_longer_and_kept() -> None:
    only = FakeProducer(silent=True)
    box = outbox(only)

    with pytest.raises(Unavailable, match="in time"):
        await box.send(PARCEL)
    assert not only.stopped
    only.silent = False

    await box.send(PARCEL)


async def test_closing_an_outbox_that_sent_nothing_makes_no_producer() -> None:
    await outbox().close()
