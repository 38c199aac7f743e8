"""Lanes: how many of them hold a trigger, and how fast they settle."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.backlog import Lag
from keyrelay.ports import Lease, Queue

_WINDOW = 60.0  # seconds over which the pace is measured
_LONGEST = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many triggers the `lanes` settled, and for how long they held triggers.

    A trigger that was put back without an attempt is none of those settled. `held` is
    the sum over all lanes, with the triggers that are held at this moment.
    """

    lanes: int
    settled: int
    held: timedelta

    def time_to_drain(self, lag: Lag) -> timedelta:
        """Estimate how long all lanes together need for what waits, a year at most.

        Lanes that have settled nothing yet count as one settlement, so that the
        estimate is finite; it is then not shorter than what waits has waited.
        """
        each = self.held / (max(self.settled, 1) * self.lanes)
        # Multiplied as seconds: a timedelta would overflow.
        wait = timedelta(
            seconds=min(each.total_seconds() * lag.waiting, _LONGEST.total_seconds())
        )
        return wait if self.settled or not lag.waiting else max(wait, lag.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """The totals at one moment, in seconds of the clock."""

    at: float
    settled: int
    held: float


_FIRST = _Sample(at=-math.inf, settled=0, held=0)


@dataclass(slots=True)
class _Totals:
    """`putting_back` are the lanes whose trigger goes back without an attempt."""

    settled: int = 0
    held: float = 0
    putting_back: set[asyncio.Task[object] | None] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """ports.Queue for the lanes of one worker, which notes what each of them holds.

    `behind` is the queue that lends; `clock` is in seconds.
    """

    behind: Queue
    total: int
    clock: Callable[[], float] = time.monotonic
    _held_since: dict[asyncio.Task[object] | None, float] = field(
        default_factory=dict, init=False
    )
    _totals: _Totals = field(default_factory=_Totals, init=False)
    _samples: deque[_Sample] = field(
        default_factory=lambda: deque((_FIRST,)), init=False
    )

    async def lease(self, until: asyncio.Event) -> Lease | None:
        # A lane is a task and holds one trigger at most: a lane that asks for another
        # has settled the one before.
        lane = asyncio.current_task()
        since = self._held_since.pop(lane, None)
        if since is not None:
            self._totals.settled += lane not in self._totals.putting_back
            self._totals.held += self.clock() - since
        self._totals.putting_back.discard(lane)
        lease = await self.behind.lease(until)
        if lease is not None:
            self._held_since[lane] = self.clock()
        return lease

    def put_back(self) -> None:
        """Note that the trigger of the current lane goes back without an attempt."""
        lane = asyncio.current_task()
        if lane in self._held_since:  # one that was left is none any more
            self._totals.putting_back.add(lane)

    def leaving(self) -> Callable[[], None]:
        """Return what notes that the current lane's trigger goes on without it.

        That lane is left then, and holds no other; it has done its part.
        """
        lane = asyncio.current_task()

        def left() -> None:
            self._totals.settled += 1
            self._totals.held += self.clock() - self._held_since.pop(lane)

        return left

    @property
    def busy(self) -> int:
        """Return how many lanes hold a trigger."""
        return len(self._held_since)

    def pace(self) -> Pace:
        """Return the pace of the last minute, or since the call before that minute.

        Each call takes a sample; scrapes call it often enough.
        """
        now, samples = self._sample(), self._samples
        samples.append(now)
        while samples[1].at <= now.at - _WINDOW:
            samples.popleft()
        then = samples[0]
        return Pace(
            lanes=self.total,
            settled=now.settled - then.settled,
            held=timedelta(seconds=now.held - then.held),
        )

    def _sample(self) -> _Sample:
        now = self.clock()
        under_way = sum(now - since for since in self._held_since.values())
        held = self._totals.held + under_way
        return _Sample(at=now, settled=self._totals.settled, held=held)
