"""Arrivals: a bell that rings whenever something has reached its destination."""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Arrivals:
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def announce(self) -> None:
        self._bell.set()

    async def next(self) -> None:
        """Return at the next announcement; whoever has just looked misses none."""
        self._bell.clear()
        await self._bell.wait()
