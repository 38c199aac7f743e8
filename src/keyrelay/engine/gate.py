"""Gate: no trigger is leased while what every attempt needs is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from keyrelay.concurrency.outage import Outage
from keyrelay.model.audit import Report
from keyrelay.ports import Lease, LeaveLane, Queue, Unavailable

log = logging.getLogger(__name__)

_ASK_AGAIN = timedelta(seconds=1)


class _ClosedBy(Enum):
    NEED = auto()  # what every attempt needs is away
    ATTEMPT = auto()  # an attempt met what was not foreseen


@dataclass(slots=True)
class _Closing:
    """None has closed the gate: it is open."""

    by: _ClosedBy | None = None
    outage: Outage = field(
        default_factory=lambda: Outage(
            log=log, begun="work is stopped", over="work goes on"
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """ports.Queue in front of the queue `behind`, and the attempt with what it lends.

    `ready` raises Unavailable while no attempt can be made; then nothing is leased. An
    attempt that raises it closes the gate as well, and one lane a second tries until an
    attempt can be made again. A leased trigger would only be put back, over and over.
    Either is logged when it begins, once a minute while it lasts, and when it ends.
    """

    behind: Queue
    ready: Callable[[], Awaitable[object]]
    tried: Callable[[Lease, LeaveLane], Awaitable[Report]]
    sleep: Callable[[timedelta], Awaitable[None]]
    _closing: _Closing = field(default_factory=_Closing, init=False)
    _passing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def lease(self, until: asyncio.Event) -> Lease | None:
        async with self._passing:  # one lane asks, and the others wait for its answer
            if self._closing.by is _ClosedBy.ATTEMPT:
                await self.sleep(_ASK_AGAIN)
            while not until.is_set() and not await self._is_ready():
                await self.sleep(_ASK_AGAIN)
        return None if until.is_set() else await self.behind.lease(until)

    async def attempt(self, lease: Lease, leave: LeaveLane) -> Report:
        """Make the attempt. Raises Unavailable, which closes the gate."""
        try:
            report = await self.tried(lease, leave)
        except Unavailable as fault:
            self._close(_ClosedBy.ATTEMPT, fault)
            raise
        self._open()
        return report

    async def _is_ready(self) -> bool:
        try:
            await self.ready()
        except Unavailable as fault:
            self._close(_ClosedBy.NEED, fault)
            return False
        if self._closing.by is _ClosedBy.NEED:
            self._open()
        return True

    def _close(self, by: _ClosedBy, fault: Unavailable) -> None:
        self._closing.by = by
        self._closing.outage.failed(str(fault))

    def _open(self) -> None:
        self._closing.by = None
        self._closing.outage.ended()
