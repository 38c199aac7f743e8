"""Reader: one consumer after another.

What the client library cannot recover from by itself ends a consumer; the next one
takes its place, and reads on from the first record that is not settled.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from keyrelay.concurrency.outage import Outage
from keyrelay.model.world import World
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.connecting.clients import KafkaClients, start
from keyrelay.sources.kafka.reading.assigned import AssignedPartitions
from keyrelay.sources.kafka.reading.consumer import Consumer
from keyrelay.sources.kafka.reading.fetching import Fetching
from keyrelay.sources.kafka.reading.watchdog import Stalled, Watchdog

log = logging.getLogger(__name__)

_PAUSE = timedelta(seconds=1)  # between one consumer and the next
_FAREWELL = 5.0  # seconds for leaving the group


class TopicsMissing(Exception):
    """Topics that workers need do not exist."""


def _outage() -> Outage:
    return Outage(log=log, begun="nothing is read", over="reading goes on")


@dataclass(slots=True, kw_only=True, eq=False)
class TopicReader:
    """`consumer` is the one at work; None, there is none at this moment."""

    clients: KafkaClients
    buffer: Buffer
    world: World
    consumer: Consumer | None = field(default=None, init=False)
    _outage: Outage = field(default_factory=_outage, init=False)
    _task: asyncio.Task[NoReturn] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to read, or do nothing if reading has begun.

        Raises what reading has ended with: without it no trigger would ever come.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        elif self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Return once nothing is read any more. Raises what reading has ended with."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def has_done_all(self) -> bool:
        """Return whether nothing is left to attempt, here or unread in Kafka."""
        if self.consumer is None or self._is_busy():
            return False
        # Busy is asked again: records may have come while the brokers answered.
        return await self.consumer.has_read_all() and not self._is_busy()

    def _is_busy(self) -> bool:
        return bool(self.buffer.on_loan or self.buffer.due(self.world.now()))

    async def _run(self) -> NoReturn:
        while True:
            try:
                await self._read()
            except* (KafkaError, Stalled, TopicsMissing) as faults:
                self._outage.failed("; ".join(map(_words, faults.exceptions)))
            await self.world.sleep(_PAUSE)

    async def _read(self) -> None:
        client = self.clients.consumer()
        try:
            await start(client)
            await self._require_topics(client)
            self._outage.ended()
            consumer = self.consumer = self._consumer(client)
            try:
                await consumer.run()
            finally:
                self.consumer = None
                await _within(_FAREWELL, consumer.partitions.commit())
                consumer.partitions.forget_all()
        finally:
            await _within(_FAREWELL, client.stop())

    async def _require_topics(self, client: AIOKafkaConsumer) -> None:
        topics = self.buffer.topics
        missing = {*topics.read, topics.dead} - await client.topics()
        if missing:
            raise TopicsMissing(
                f"{', '.join(sorted(missing))}: run `keyrelay topics create`"
            )

    def _consumer(self, client: AIOKafkaConsumer) -> Consumer:
        now, patience = self.world.now(), self.buffer.options.intervals.stall
        return Consumer(
            client=client,
            buffer=self.buffer,
            partitions=AssignedPartitions(
                client=client, buffer=self.buffer, world=self.world
            ),
            watchdog=Watchdog(patience=patience, moved_at=now, left_at=now),
            fetching=Fetching(client=client, losses=self.buffer.fetched.losses),
            world=self.world,
        )


def _words(fault: Exception) -> str:
    if isinstance(fault, ExceptionGroup):
        return "; ".join(map(_words, fault.exceptions))
    return f"{type(fault).__name__}: {fault}"


async def _within(seconds: float, farewell: Awaitable[None]) -> None:
    """Do what leaving needs, but not without end if the brokers do not answer."""
    try:
        async with asyncio.timeout(seconds):
            await farewell
    except (KafkaError, TimeoutError) as fault:
        reason = type(fault).__name__
        log.info("consumer closed without an answer", extra={"reason": reason})
