"""The outbox: what is written to the log, each record durable before it counts.

Writes are acknowledged by all replicas in sync and idempotent (KIP-98): a retry inside
the producer makes no second record.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.record import Headers


class TooLarge(Exception):
    """The topic takes no record of this size."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record to be written; records with the same key come to the same partition."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


@dataclass(slots=True, kw_only=True)
class Outbox:
    """Makes its producer with the first record, and another after one that failed:
    of a producer whose batch was given up nobody knows what comes next."""

    make: Callable[[], AIOKafkaProducer]
    _producer: AIOKafkaProducer | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def send(self, parcel: Parcel) -> None:
        """Return once the record is durable. Raises Unavailable and TooLarge."""
        producer = await self._started()
        try:
            await producer.send_and_wait(
                parcel.topic,
                value=parcel.value,
                key=parcel.key,
                headers=list(parcel.headers),
            )
        except MessageSizeTooLargeError:
            raise TooLarge(f"{parcel.topic} takes no record of this size") from None
        except KafkaError as fault:
            await self._give_up(producer)
            raise Unavailable(
                f"Kafka did not take a record for {parcel.topic}"
                f" ({type(fault).__name__}): check the brokers and"
                " `keyrelay topics check`"
            ) from None

    async def close(self) -> None:
        """Return once nothing is written any more."""
        async with self._turn:
            producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._turn:
            producer = self._producer or await self._start(self.make())
            self._producer = producer
            return producer

    async def _start(self, producer: AIOKafkaProducer) -> AIOKafkaProducer:
        try:
            await producer.start()
        except KafkaError as fault:
            await producer.stop()
            raise Unavailable(
                f"Kafka does not answer ({type(fault).__name__}):"
                " check KEYRELAY_QUEUE and the brokers"
            ) from None
        return producer

    async def _give_up(self, producer: AIOKafkaProducer) -> None:
        async with self._turn:
            is_first = self._producer is producer  # to find out
            if is_first:
                self._producer = None
        if is_first:
            await producer.stop()
