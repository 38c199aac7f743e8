"""JSON Lines: triggers, one a line, read from files that may never end."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

_CHUNK = 64 * 1024


async def read_chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Yield what can be read, as it comes. Raises OSError."""
    while chunk := await _read(descriptor):
        yield chunk


async def _read(descriptor: int) -> bytes:
    """Return what can be read, b"" at the end; the loop is not blocked meanwhile."""
    loop = asyncio.get_running_loop()
    chunk: asyncio.Future[bytes] = loop.create_future()

    def answer(read: bytes | OSError) -> None:
        if chunk.done():
            return
        if isinstance(read, OSError):
            chunk.set_exception(read)
        else:
            chunk.set_result(read)

    def read() -> None:
        try:
            found: bytes | OSError = os.read(descriptor, _CHUNK)
        except OSError as error:
            found = error
        try:
            loop.call_soon_threadsafe(answer, found)
        except RuntimeError:  # the loop has ended, and nothing waits for the chunk
            return

    # Not in an executor: the loop waits for its threads when it ends, and this one may
    # be waiting for a key to be pressed.
    threading.Thread(target=read, daemon=True).start()
    return await chunk
