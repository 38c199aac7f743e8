"""JSON Lines: triggers, one a line, read from files that may never end."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from keyrelay.model.trigger import LARGEST_TRIGGER

_CHUNK = 64 * 1024
_LONGEST = LARGEST_TRIGGER + 1  # bytes; a line cut there is refused as too large


@dataclass(slots=True)
class Splitter:
    """Cuts chunks into lines; of one too long for a trigger, the rest is dropped."""

    _unfinished: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self.end()
        self._add(rest)

    def end(self) -> bytes:
        """Return the unfinished line, and begin a new one."""
        line = bytes(self._unfinished)
        self._unfinished.clear()
        return line

    def _add(self, part: bytes) -> None:
        self._unfinished += part[: _LONGEST - len(self._unfinished)]


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
