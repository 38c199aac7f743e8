"""Console: the lines of one run, scrubbed, and kept in batches as they come."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.concurrency.background import background
from keyrelay.dispatchers.script.scrubbing import LineScrubber, parts_of
from keyrelay.model.console import ConsoleLine, left_out
from keyrelay.model.secret import SecretValue
from keyrelay.model.world import World
from keyrelay.ports import Unavailable

TOGETHER = 100  # lines
EACH = timedelta(milliseconds=200)
LAST_LINES = 20

# Keeps the lines of a batch behind those before, or none. Raises Unavailable.
KeepLines = Callable[[Sequence[ConsoleLine]], Awaitable[object]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """The lines that are not kept yet, and how many were not since the last batch."""

    lines: list[ConsoleLine] = field(default_factory=list)
    left_out: int = 0
    is_refused: bool = False
    come: asyncio.Event = field(default_factory=asyncio.Event)
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleWriter:
    """Takes the lines of one run; made by `writing_console`, which keeps the last.

    A script that prints faster than its lines are kept is slowed. While they cannot be
    kept it is not: they are left out, and a line in their place says how many.
    """

    scrubber: LineScrubber
    keep: KeepLines
    world: World
    _last: deque[str] = field(
        default_factory=lambda: deque(maxlen=LAST_LINES), init=False
    )
    _waiting: _Waiting = field(default_factory=_Waiting, init=False)

    @property
    def last_lines(self) -> Sequence[str]:
        """The last 20 lines, scrubbed, whether they could be kept or not."""
        return (*self._last,)

    async def take(self, line: str) -> None:
        waiting = self._waiting
        self._add(self.scrubber.take(line))
        if len(waiting.lines) < TOGETHER:
            return
        if waiting.is_refused:
            waiting.left_out += len(waiting.lines)
            waiting.lines.clear()
        else:
            await self._keep()

    async def keep_writing(self) -> None:
        """Keep what has come, a fifth of a second after the first of it."""
        while True:
            await self._waiting.come.wait()
            await self.world.sleep(EACH)
            await self._keep()

    async def finish(self) -> None:
        """Keep what is left, and say how many lines were left out."""
        self._add(self.scrubber.finish())
        await self._keep()
        if self._waiting.left_out:
            await self._keep()
        if self._waiting.left_out:
            lines = self._waiting.left_out
            log.error("lines of a run were not kept", extra={"lines": lines})

    @asynccontextmanager
    async def between_batches(self) -> AsyncIterator[None]:
        async with self._waiting.keeping:
            yield

    def _add(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._last.append(text)
            line = ConsoleLine(at=self.world.now(), text=text)
            self._waiting.lines.append(line)
            self._waiting.come.set()

    async def _keep(self) -> None:
        waiting = self._waiting
        async with waiting.keeping:
            lines, gone = waiting.lines, waiting.left_out
            waiting.lines = []
            waiting.come.clear()
            if not lines and not gone:
                return
            # A batch that is cut off by a cancellation counts as one that is refused.
            waiting.left_out += len(lines)
            note = [ConsoleLine(at=self.world.now(), text=left_out(gone))]
            try:
                await self.keep([*(note if gone else ()), *lines])
            except Unavailable:
                waiting.is_refused = True
            else:
                waiting.is_refused = False
                waiting.left_out -= gone + len(lines)


@asynccontextmanager
async def writing_console(
    values: Sequence[SecretValue], keep: KeepLines, world: World
) -> AsyncIterator[ConsoleWriter]:
    """Give what takes the lines of a run that was given these values.

    All that it took is kept, or said to be left out, when this returns.
    """
    parts = {part for each in values for part in parts_of(each.reveal())}
    console = ConsoleWriter(scrubber=LineScrubber.of(parts), keep=keep, world=world)
    try:
        async with background(console.keep_writing()) as writing:
            yield console
            # Cancelled between two batches, as none knows what became of one.
            async with console.between_batches():
                writing.cancel()
    finally:
        await console.finish()
