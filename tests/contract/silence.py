"""Silence: a way to a server on which nothing arrives any more, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.services import loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A port that leads to the server; unless it is `open`, all that is said waits."""

    port: int
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def fall_silent(self) -> None:
        self.open.clear()

    def speak_again(self) -> None:
        self.open.set()


@asynccontextmanager
async def way_to(server: int) -> AsyncIterator[Way]:
    way = Way(port=loopback.free_port())
    way.speak_again()
    passing = set[asyncio.Task[None]]()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(loopback.HOST, server)
        for one, other in ((reader, there[1]), (there[0], writer)):
            passing.add(asyncio.create_task(_pass_on(one, other, way.open)))

    listening = await asyncio.start_server(join, loopback.HOST, way.port)
    try:
        yield way
    finally:
        listening.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may: asyncio.Event
) -> None:
    try:
        while said := await reader.read(65536):
            await may.wait()
            writer.write(said)
    finally:
        writer.close()
