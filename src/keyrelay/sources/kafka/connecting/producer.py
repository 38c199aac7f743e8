"""Producer: writes records, each durable before it counts as written.

All in-sync replicas acknowledge a write, and writes are idempotent (KIP-98): a retry
inside the client makes no second record.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.clients import start
from keyrelay.sources.kafka.records.record import Headers

log = logging.getLogger(__name__)

_FAREWELL = 5.0  # seconds for writes that are under way


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
    """Makes its client with the first record, and another one after a failure: what a
    client does after it gave up a batch is not defined."""

    make: Callable[[], AIOKafkaProducer]
    patience: timedelta = timedelta(seconds=30)  # the client's own has no end
    _client: AIOKafkaProducer | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def send(self, record: OutgoingRecord) -> None:
        """Return once the record is durable. Raises Unavailable and TooLarge."""
        client = await self._started()
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                await client.send_and_wait(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                )
        except TimeoutError:
            # The client goes on trying, so it need not be given up. If the record is
            # then written twice, its claim tells that the second one is known.
            raise _not_taken(record, "in time") from None
        except MessageSizeTooLargeError:
            # The record has taken a sequence number: the next would be out of order
            # (KIP-98).
            await self._give_up(client)
            raise TooLarge(f"{record.topic} takes no record of this size") from None
        except KafkaError as fault:
            await self._give_up(client)
            raise _not_taken(record, f"({type(fault).__name__})") from None

    async def close(self) -> None:
        """Return once nothing is written any more."""
        async with self._turn:
            client, self._client = self._client, None
        if client is not None:
            await _stop(client)

    async def _started(self) -> AIOKafkaProducer:
        async with self._turn:
            client = self._client or await self._start(self.make())
            self._client = client
            return client

    async def _start(self, client: AIOKafkaProducer) -> AIOKafkaProducer:
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                await start(client)
        except (KafkaError, TimeoutError) as fault:
            await _stop(client)
            raise Unavailable(
                f"Kafka does not answer ({type(fault).__name__}):"
                " check KEYRELAY_QUEUE and the brokers"
            ) from None
        return client

    async def _give_up(self, client: AIOKafkaProducer) -> None:
        async with self._turn:
            # Several calls may fail with the same client; the first one stops it.
            is_current = self._client is client
            if is_current:
                self._client = None
        if is_current:
            await _stop(client)


async def _stop(client: AIOKafkaProducer) -> None:
    """Let the client write what it holds, while the brokers answer."""
    try:
        async with asyncio.timeout(_FAREWELL):
            await client.stop()
    except TimeoutError:
        log.warning("producer closed without an answer")


def _not_taken(record: OutgoingRecord, why: str) -> Unavailable:
    return Unavailable(
        f"Kafka did not take a record for {record.topic} {why}:"
        " check the brokers and `keyrelay topics check`"
    )
