"""Outlook: whether all that a worker needs answers, and what waits for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.backlog import Lag
from keyrelay.ports import Unavailable

# Who asks more often is told the same; nobody can keep a database busy by asking.
FRESH = timedelta(seconds=2)
# Kubernetes gives up on a probe after a second.
PATIENCE = timedelta(seconds=0.7)
# No answer for longer is no answer. A catalog goes stale after as long.
SILENCE = timedelta(seconds=5)
UNASKED = "it has not answered yet"


@dataclass(slots=True, kw_only=True)
class Component:
    """One thing that a worker needs; `ask` returns or raises Unavailable."""

    ask: Callable[[], Awaitable[object]]
    clock: Callable[[], float] = time.monotonic
    _fault: str | None = field(default=UNASKED, init=False)
    _asked_at: float | None = field(default=None, init=False)
    _asking: asyncio.Task[None] | None = field(default=None, init=False)

    def fault(self) -> str | None:
        """Return why it is not ready, in a sentence; None, it is."""
        asked = self._asked_at
        if self._asking is not None and asked is not None:
            silent = self.clock() - asked
            if silent > SILENCE.total_seconds():
                return f"it has not answered for {silent:.0f} seconds"
        return self._fault

    def inquire(self) -> asyncio.Task[None] | None:
        """Ask again, unless that is under way or was done a moment ago."""
        if self._asking is None and self._is_due():
            self._asked_at = self.clock()
            self._asking = asyncio.create_task(self._inquire())
        return self._asking

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _is_due(self) -> bool:
        asked = self._asked_at
        return asked is None or self.clock() - asked >= FRESH.total_seconds()

    async def _inquire(self) -> None:
        fault: str | None = "it failed unexpectedly; the log says how"
        try:
            await self.ask()
            fault = None
        except Unavailable as unavailable:
            fault = str(unavailable)
        finally:
            self._fault, self._asking = fault, None


@dataclass(slots=True, kw_only=True)
class Waiting:
    """What waits in the queue; nothing is said of it when it could not be asked."""

    ask: Callable[[], Awaitable[Sequence[Lag]]]
    lags: Sequence[Lag] = ()

    async def look(self) -> None:
        """Ask the queue. Raises Unavailable."""
        try:
            self.lags = await self.ask()
        except Unavailable:
            self.lags = ()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The parts by name, and what waits. It looks when somebody wants to know."""

    parts: Mapping[str, Component]
    waiting: Waiting
    patience: timedelta = PATIENCE

    async def look(self) -> None:
        """Bring up to date what answers at once; what does not is left to go on."""
        asking = [part.inquire() for part in self.parts.values()]
        under_way = [task for task in asking if task is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=self.patience.total_seconds())

    def faults(self) -> Mapping[str, str]:
        """Return what is not ready, and why."""
        found = {name: part.fault() for name, part in self.parts.items()}
        return {name: fault for name, fault in found.items() if fault is not None}

    async def close(self) -> None:
        for part in self.parts.values():
            await part.close()
