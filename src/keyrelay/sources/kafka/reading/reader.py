"""The reader: one pump after another.

What the client library cannot recover from by itself ends a consumer; the next one
takes its place, and reads on where nothing is settled yet.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.lending import Lending
from keyrelay.sources.kafka.reading.consumer import Consumer
from keyrelay.sources.kafka.reading.watchdog import Stalled, Watchdog

log = logging.getLogger(__name__)

_PAUSE = timedelta(seconds=1)  # between one consumer and the next
_FAREWELL = 5.0  # seconds for leaving the group


class TopicsMissing(Exception):
    """Some of our topics are not there."""


@dataclass(slots=True, kw_only=True)
class Reader:
    """`pump` is the one at work; None, there is none at this moment."""

    clients: KafkaClients
    clerk: Lending
    pump: Consumer | None = field(default=None, init=False)
    _said: str = field(default="", init=False)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except* (KafkaError, Stalled, TopicsMissing) as faults:
                self._say("; ".join(map(_words, faults.exceptions)))
            await self.clerk.world.sleep(_PAUSE)

    def _say(self, why: str) -> None:
        """Say it aloud, but not once a second."""
        if why != self._said:
            log.error("nothing is read", extra={"why": why, **self._state()})
        self._said = why

    async def _read(self) -> None:
        consumer = self.clients.consumer()
        try:
            await consumer.start()
            await self._require_topics(consumer)
            self._said = ""
            pump = self.pump = self._pump(consumer)
            try:
                await pump.run()
            finally:
                self.pump = None
                await _within(_FAREWELL, pump.commit())
                pump.let_go()
        finally:
            await _within(_FAREWELL, consumer.stop())

    async def _require_topics(self, consumer: AIOKafkaConsumer) -> None:
        topics = self.clerk.shelf.topics
        missing = {*topics.read, topics.dead} - await consumer.topics()
        if missing:
            raise TopicsMissing(
                f"{', '.join(sorted(missing))}: run `keyrelay topics create`"
            )

    def _pump(self, consumer: AIOKafkaConsumer) -> Consumer:
        clerk = self.clerk
        now = clerk.world.now()
        return Consumer(
            consumer=consumer,
            shelf=clerk.shelf,
            bell=clerk.bell,
            terms=clerk.terms,
            world=clerk.world,
            watchdog=Watchdog(
                patience=clerk.terms.pace.stall, moved_at=now, left_at=now
            ),
        )

    def _state(self) -> dict[str, object]:
        """Return what helps to see why a consumer came to its end."""
        shelf = self.clerk.shelf
        return {"on_loan": shelf.on_loan, "bytes": shelf.positions.bytes}


def _words(fault: Exception) -> str:
    if isinstance(fault, ExceptionGroup):
        return "; ".join(map(_words, fault.exceptions))
    return f"{type(fault).__name__}: {fault}"


async def _within(seconds: float, farewell: Awaitable[None]) -> None:
    """Say farewell; if nobody answers in time, go all the same."""
    try:
        async with asyncio.timeout(seconds):
            await farewell
    except TimeoutError:
        log.info("left without an answer")
