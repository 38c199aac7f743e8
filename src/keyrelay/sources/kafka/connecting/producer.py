"""The outbox: what is written to the log, each record durable before it counts.

Writes are acknowledged by all replicas in sync and idempotent (KIP-98): a retry inside
the producer makes no second record.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.records.record import Headers

log = logging.getLogger(__name__)

_FAREWELL = 5.0  # seconds for what is under way


class TooLarge(Exception):
    """The topic takes no record of this size."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to be written; records with the same key come to the same partition."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


@dataclass(slots=True, kw_only=True)
class Producer:
    """Makes its producer with the first record, and another after one that failed:
    of a producer whose batch was given up nobody knows what comes next."""

    make: Callable[[], AIOKafkaProducer]
    patience: timedelta = timedelta(seconds=30)  # the library's own has no end
    _producer: AIOKafkaProducer | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def send(self, parcel: OutgoingRecord) -> None:
        """Return once the record is durable. Raises Unavailable and TooLarge."""
        producer = await self._started()
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                await producer.send_and_wait(
                    parcel.topic,
                    value=parcel.value,
                    key=parcel.key,
                    headers=list(parcel.headers),
                )
        except TimeoutError:
            # The producer goes on trying, so nothing of it need be given up; that the
            # record may stand there twice then is for its claim to see.
            raise _not_taken(parcel, "in time") from None
        except MessageSizeTooLargeError:
            # It was numbered, and what comes next would be out of order (KIP-98).
            await self._give_up(producer)
            raise TooLarge(f"{parcel.topic} takes no record of this size") from None
        except KafkaError as fault:
            await self._give_up(producer)
            raise _not_taken(parcel, f"({type(fault).__name__})") from None

    async def close(self) -> None:
        """Return once nothing is written any more."""
        async with self._turn:
            producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._turn:
            producer = self._producer or await self._start(self.make())
            self._producer = producer
            return producer

    async def _start(self, producer: AIOKafkaProducer) -> AIOKafkaProducer:
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                await producer.start()
        except (KafkaError, TimeoutError) as fault:
            await _stop(producer)
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
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Let it write what it holds, for as long as somebody answers."""
    try:
        async with asyncio.timeout(_FAREWELL):
            await producer.stop()
    except TimeoutError:
        log.warning("a producer is left without an answer")


def _not_taken(parcel: OutgoingRecord, why: str) -> Unavailable:
    return Unavailable(
        f"Kafka did not take a record for {parcel.topic} {why}:"
        " check the brokers and `keyrelay topics check`"
    )
