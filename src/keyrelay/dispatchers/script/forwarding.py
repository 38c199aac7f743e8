"""Forwarding: the one way out of a sandbox, which leads to our API.

The socket that listens on the sandbox's loopback was handed out by the launcher. What
connects to it inside is accepted here, outside, so that the sandbox has no program of
ours to attack, and no file that leads out.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Connects to the API.
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_MOST = 32  # connections at a time
_CHUNK = 64 * 1024


@asynccontextmanager
async def forwarding(listener: socket.socket, dial: Dial) -> AsyncIterator[None]:
    """Forward all connections of the listener while the block runs."""
    forwarder = _Forwarder(dial)
    server = await asyncio.start_server(forwarder.accept, sock=listener, limit=_CHUNK)
    try:
        yield
    finally:
        server.close()
        await forwarder.close()


@dataclass(slots=True)
class _Forwarder:
    dial: Dial
    open: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    closed: bool = field(default=False, init=False)

    def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.closed or len(self.open) >= _MOST:
            writer.close()
            return
        task = asyncio.ensure_future(_forward(reader, writer, self.dial))
        self.open.add(task)
        task.add_done_callback(self.open.discard)
        # Here, as a task that is cancelled at once runs none of its lines.
        task.add_done_callback(lambda _: writer.close())

    async def close(self) -> None:
        # What was accepted before arrives when the event loop turns once more.
        self.closed = True
        closing = [*self.open]
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dial: Dial
) -> None:
    try:
        there, back = await dial()
    except OSError:
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, back))
            both.create_task(_pump(there, writer))
    finally:
        back.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends; a peer that is gone ends its connection alone."""
    try:
        while not target.is_closing() and (chunk := await source.read(_CHUNK)):
            target.write(chunk)
            await target.drain()
        if not target.is_closing() and target.can_write_eof():
            target.write_eof()
    except OSError:
        target.close()
