"""Output: what a run prints, line by line, in bounded memory."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keyrelay.dispatchers.script.limits import OutputLimits, Resource

# Takes one line, without its end. What is printed meanwhile waits in the pipe.
TakeLine = Callable[[str], Awaitable[None]]

CHUNK = 16 * 1024
_KEPT = 20  # last lines


@dataclass(slots=True)
class Printed:
    """Breaks a stream into lines, and hands them on until a limit is passed."""

    limits: OutputLimits
    take: TakeLine
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT), init=False)
    over: Resource | None = field(default=None, init=False)
    _size: int = field(default=0, init=False)
    _lines: int = field(default=0, init=False)

    async def read(self, source: asyncio.StreamReader) -> Resource | None:
        """Read to the end of the stream, or until a limit is passed; say which."""
        pending = b""
        while self.over is None and (chunk := await source.read(CHUNK)):
            self._size += len(chunk)
            whole, pending = split(pending + chunk, self.limits.line)
            for line in whole:
                await self._give(line)
            if self._size > self.limits.size:
                self.over = self.over or Resource.OUTPUT
        if pending:
            await self._give(pending)
        return self.over

    async def _give(self, line: bytes) -> None:
        if self._lines == self.limits.lines:
            self.over = Resource.LINES
            return
        self._lines += 1
        text = readable(line)
        self.last.append(text)
        await self.take(text)


def split(data: bytes, longest: int) -> tuple[list[bytes], bytes]:
    """Return the whole lines, none longer than that, and what is no whole line yet."""
    lines, whole = data.split(b"\n"), []
    pending = lines.pop()
    for line in lines:
        whole += _pieces(line, longest) or [b""]
    *full, pending = _pieces(pending, longest) or [b""]
    return whole + full, pending


def _pieces(line: bytes, longest: int) -> list[bytes]:
    pieces, start = list[bytes](), 0
    while start < len(line):
        end = _end_of_piece(line, start, longest)
        pieces.append(line[start:end])
        start = end
    return pieces


def _end_of_piece(line: bytes, start: int, longest: int) -> int:
    """Return where the piece ends: before a character of UTF-8, and not inside one."""
    end = start + longest
    if end >= len(line):
        return len(line)
    for before in range(min(4, longest)):
        if line[end - before] & 0xC0 != 0x80:
            return end - before
    return end


def readable(line: bytes) -> str:
    """Return it as text that every database keeps; what is no UTF-8 is replaced."""
    text = line.removesuffix(b"\r").decode(errors="replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
