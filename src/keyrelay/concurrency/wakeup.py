"""The bell: wakes as many of those who wait as there is work for."""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Wakeup:
    """Who found no work while `rung` stood still may sleep and misses nothing."""

    rung: int = 0
    _sleepers: deque[asyncio.Event] = field(default_factory=deque, init=False)

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def ring(self, times: int) -> None:
        self.rung += 1
        for _ in range(min(times, len(self._sleepers))):
            self._sleepers.popleft().set()

    def ring_all(self) -> None:
        self.ring(len(self._sleepers))

    async def sleep(self, until: asyncio.Event) -> None:
        """Return when woken or once `until` is set."""
        called = asyncio.Event()
        self._sleepers.append(called)
        waits = [asyncio.create_task(event.wait()) for event in (called, until)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if not called.is_set():
                self._sleepers.remove(called)
