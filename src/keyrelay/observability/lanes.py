"""Lanes: which of them hold a trigger, and how fast they have let go of late."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.backlog import Lag
from keyrelay.ports import Lease, Queue

_LATELY = 60.0  # seconds
_LONGEST = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many triggers the `lanes` let go of, and for how long they held them all
    in all. What a lane lets go of is settled: done, buried or to be tried again."""

    lanes: int
    let_go: int
    held: timedelta

    def time_for(self, lag: Lag) -> timedelta:
        """Estimate how long the lanes, all at work, need for what waits: never
        infinite, for who let go of none counts as if he were about to. He needs no
        less than he has taken already, and no less than what waits has waited.
        """
        each = self.held / (max(self.let_go, 1) * self.lanes)
        # In seconds, which do not overflow.
        wait = timedelta(
            seconds=min(each.total_seconds() * lag.waiting, _LONGEST.total_seconds())
        )
        return wait if self.let_go or not lag.waiting else max(wait, lag.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    at: float
    let_go: int
    held: float


_FIRST = _Mark(at=-math.inf, let_go=0, held=0)


@dataclass(slots=True)
class _Sum:
    let_go: int = 0
    held: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """ports.Queue for the lanes of one worker: it notes who borrows from `behind`."""

    behind: Queue
    total: int
    clock: Callable[[], float] = time.monotonic
    _holders: dict[asyncio.Task[object] | None, float] = field(
        default_factory=dict, init=False
    )
    _sum: _Sum = field(default_factory=_Sum, init=False)
    _marks: deque[_Mark] = field(default_factory=lambda: deque((_FIRST,)), init=False)

    async def lease(self, until: asyncio.Event) -> Lease | None:
        # A lane is a task, holds one trigger at most, and comes back when it is
        # settled: whoever asks here has none.
        lane = asyncio.current_task()
        since = self._holders.pop(lane, None)
        if since is not None:
            self._sum.let_go += 1
            self._sum.held += self.clock() - since
        lease = await self.behind.lease(until)
        if lease is not None:
            self._holders[lane] = self.clock()
        return lease

    @property
    def busy(self) -> int:
        return len(self._holders)

    def pace(self) -> Pace:
        """Return the pace of the last minute, or since somebody asked before it."""
        now, marks = self._mark(), self._marks
        marks.append(now)
        while marks[1].at <= now.at - _LATELY:
            marks.popleft()
        then = marks[0]
        return Pace(
            lanes=self.total,
            let_go=now.let_go - then.let_go,
            held=timedelta(seconds=now.held - then.held),
        )

    def _mark(self) -> _Mark:
        now = self.clock()
        under_way = sum(now - since for since in self._holders.values())
        return _Mark(at=now, let_go=self._sum.let_go, held=self._sum.held + under_way)
