"""Slots: a cap on the sessions that one version of a secret has at a time."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.dispatchers.smtp.limits import SlotLimits
from keyrelay.model.outcome import Deferred

# Not the peer's fault: one that is slow, or lets sessions log in one by one, works.
_ALL_IN_USE = Deferred(
    "all sessions of the secret are in use", timedelta(seconds=5), spends_attempt=False
)


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True, kw_only=True, eq=False)
class Slots:
    """A semaphore whose waits end early once no slot has been released for a while.

    In that case a slow server holds all of them, and what waits is better put back.
    """

    limits: SlotLimits
    _free: asyncio.Semaphore = field(init=False)
    _changed_at: float = field(default_factory=_now, init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.limits.count)

    async def acquire(self) -> Deferred | None:
        """Wait for a slot within the limits; return why there is none, or None."""
        until = _now() + self.limits.wait.total_seconds()
        while not await self._acquired_by(end := min(until, self._stalled_at())):
            if end >= min(until, self._stalled_at()):
                return _ALL_IN_USE
        self._changed_at = _now()
        return None

    def release(self) -> None:
        self._changed_at = _now()
        self._free.release()

    def _stalled_at(self) -> float:
        return self._changed_at + self.limits.stall.total_seconds()

    async def _acquired_by(self, end: float) -> bool:
        try:
            async with asyncio.timeout_at(end):
                await self._free.acquire()
        except TimeoutError:
            return False
        return True
