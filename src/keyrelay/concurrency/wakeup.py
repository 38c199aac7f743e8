"""Wakeup: wakes as many waiting tasks as there is work for."""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Wakeup:
    """Tasks that wait for work, woken in the order in which they came.

    `count` is how often `wake` was called. A task that reads it, finds no work and sees
    it unchanged may `wait`, and misses no work that was announced in between.
    """

    count: int = 0
    _tasks: deque[asyncio.Event] = field(default_factory=deque, init=False)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._tasks)

    def wake(self, most: int) -> None:
        """Wake the first `most` of the tasks that wait, or all if there are fewer."""
        self.count += 1
        for _ in range(min(most, len(self._tasks))):
            self._tasks.popleft().set()

    def wake_all(self) -> None:
        self.wake(len(self._tasks))

    async def wait(self, until: asyncio.Event) -> None:
        """Return when woken or once `until` is set."""
        woken = asyncio.Event()
        self._tasks.append(woken)
        waits = [asyncio.create_task(event.wait()) for event in (woken, until)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not woken.is_set():
                self._tasks.remove(woken)
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)
