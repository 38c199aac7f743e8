"""Lines: what comes in, a line at a time, from files that may never end."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from keyrelay.model.trigger import LARGEST_TRIGGER

_CHUNK = 64 * 1024
_LONGEST = LARGEST_TRIGGER + 1  # what is cut there is refused for its length


@dataclass(slots=True)
class Splitter:
    """Cuts chunks into lines, and each line where it is too long for a trigger."""

    _begun: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that the chunk ends."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            yield self.end()
        self._keep(rest)

    def end(self) -> bytes:
        """Return what has begun."""
        line = bytes(self._begun)
        self._begun.clear()
        return line

    def _keep(self, part: bytes) -> None:
        self._begun += part[: _LONGEST - len(self._begun)]


async def read_lines(descriptor: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield each line that is not blank, with its number. Raises OSError."""
    splitter, number = Splitter(), 0
    while chunk := await _read(descriptor):
        for line in splitter.feed(chunk):
            number += 1
            if line.strip():
                yield number, line
    if line := splitter.end().strip():
        yield number + 1, line


async def _read(descriptor: int) -> bytes:
    """Read what is there; while nothing is, the loop is free and can be ended."""
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
        except RuntimeError:  # the loop has ended: nobody waits any more
            return

    # No executor: the loop would wait at its end for somebody to press return.
    threading.Thread(target=read, daemon=True).start()
    return await chunk
