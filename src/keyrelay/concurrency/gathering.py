"""Gathering: calls that come together share one run of what they all need."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Gathered:
    """Runs `act` for all that have called by then, one run at a time.

    `gather` is awaited before each run: in that time more may call. However many do,
    there is no more than one run in it.
    """

    act: Callable[[], Awaitable[object]]
    gather: Callable[[], Awaitable[object]]
    _running: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _begun: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)  # the number of the last that ended

    async def run(self) -> None:
        """Return once `act` has ended a run that began after this call.

        Raises what it raises, to one of the callers; the others run it again.
        """
        begun = self._begun
        async with self._running:
            if self._done > begun:
                return
            await self.gather()
            self._begun += 1
            await self.act()
            self._done = self._begun
