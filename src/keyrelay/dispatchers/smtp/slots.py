"""Seats: how many may use a server at once, and who stops waiting to be one of them."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.model.outcome import Blame, Deferred

_CROWDED = Deferred(
    "all sessions of the secret are in use", timedelta(seconds=5), spends_attempt=False
)
_STILL = replace(
    _CROWDED,
    reason="the server answers in none of the secret's sessions",
    blame=Blame.PEER,
)


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True, kw_only=True, eq=False)
class Slots:
    """As many as a secret may have sessions. Where none is given back for a while, a
    mute server has them all: whoever waited on would only keep a lane from others."""

    limits: Limits
    _free: asyncio.Semaphore = field(init=False)
    _moved_at: float = field(default_factory=_now, init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.limits.reuse.sessions)

    async def take(self) -> Deferred | None:
        """Wait for a seat, not for long; return why there is none."""
        until = _now() + self.limits.turn.total_seconds()
        while not await self._taken_by(end := min(until, self._still_at())):
            if end >= until:
                return _CROWDED
            if end >= self._still_at():
                return _STILL
        self._moved_at = _now()
        return None

    def give_back(self) -> None:
        self._moved_at = _now()
        self._free.release()

    def _still_at(self) -> float:
        return self._moved_at + self.limits.still.total_seconds()

    async def _taken_by(self, end: float) -> bool:
        try:
            async with asyncio.timeout_at(end):
                await self._free.acquire()
        except TimeoutError:
            return False
        return True
