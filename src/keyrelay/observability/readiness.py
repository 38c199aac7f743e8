"""Readiness: whether all that a worker needs answers, and what waits in its queue."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.backlog import Lag, ReadingLosses
from keyrelay.ports import Unavailable

# An answer is kept for as long, so that frequent probes do not load the database.
FRESH_FOR = timedelta(seconds=2)
# Kubernetes gives up on a probe after one second (`timeoutSeconds`).
TIMEOUT = timedelta(seconds=0.7)
# A check that takes longer has failed. A catalog goes stale after as long.
SILENT_AFTER = timedelta(seconds=5)
UNCHECKED = "it has not answered yet"


@dataclass(slots=True, kw_only=True)
class Component:
    """One thing that a worker needs; `check` returns or raises Unavailable.

    At most one check runs at a time, and no more than one in FRESH_FOR. `clock` is in
    seconds.
    """

    check: Callable[[], Awaitable[object]]
    clock: Callable[[], float] = time.monotonic
    _fault: str | None = field(default=UNCHECKED, init=False)
    _checked_at: float | None = field(default=None, init=False)
    _checking: asyncio.Task[None] | None = field(default=None, init=False)

    def fault(self) -> str | None:
        """Return why it is not ready, in a sentence; None, it is ready."""
        started = self._checked_at
        if self._checking is not None and started is not None:
            silent = self.clock() - started
            if silent > SILENT_AFTER.total_seconds():
                return f"it has not answered for {silent:.0f} seconds"
        return self._fault

    def start_check(self) -> asyncio.Task[None] | None:
        """Start a check if one is due; return the one under way, if any."""
        if self._checking is None and self._is_due():
            self._checked_at = self.clock()
            self._checking = asyncio.create_task(self._check())
        return self._checking

    async def close(self) -> None:
        """Cancel the check that is under way."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])

    def _is_due(self) -> bool:
        last = self._checked_at
        return last is None or self.clock() - last >= FRESH_FOR.total_seconds()

    async def _check(self) -> None:
        fault: str | None = "it failed unexpectedly; the log says how"
        try:
            await self.check()
            fault = None
        except Unavailable as unavailable:
            fault = str(unavailable)
        finally:
            self._fault, self._checking = fault, None


@dataclass(slots=True, kw_only=True)
class QueueLag:
    """What waits in the queue, topic by topic; empty when the queue did not answer.

    `losses` are the queue's own, which it goes on counting.
    """

    read: Callable[[], Awaitable[Sequence[Lag]]]
    losses: ReadingLosses = field(default_factory=ReadingLosses)
    lags: Sequence[Lag] = ()

    async def refresh(self) -> None:
        """Read the lags from the queue. Raises Unavailable."""
        try:
            self.lags = await self.read()
        except Unavailable:
            self.lags = ()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a worker needs, by name, and what waits in its queue.

    Nothing is checked by itself: a probe calls `refresh` and then reads.
    """

    components: Mapping[str, Component]
    queue_lag: QueueLag
    timeout: timedelta = TIMEOUT

    async def refresh(self) -> None:
        """Check all components at once; after `timeout`, leave slow checks running."""
        checks = [component.start_check() for component in self.components.values()]
        under_way = [check for check in checks if check is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=self.timeout.total_seconds())

    def faults(self) -> Mapping[str, str]:
        """Return what is not ready, by name, each with a sentence that says why."""
        faults = {name: each.fault() for name, each in self.components.items()}
        return {name: fault for name, fault in faults.items() if fault is not None}

    async def close(self) -> None:
        """Cancel the checks that are under way."""
        for component in self.components.values():
            await component.close()
