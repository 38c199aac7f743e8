"""Crew: a worker, and those who keep its view of the definitions fresh."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.ports import Unavailable, Waker
from keyrelay.stores.catalog import LiveCatalog
from keyrelay.tally import Tally
from keyrelay.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """`resumed` are the secrets whose pause has ended, for what waits for them."""

    worker: Worker
    catalog: LiveCatalog
    waker: Waker
    resumed: asyncio.Queue[str]
    tally: Tally

    async def work(
        self, stop: asyncio.Event, grace: timedelta, started: Callable[[], None]
    ) -> None:
        """Work until `stop` is set, or until the queue is drained; then finish."""
        await self.catalog.refresh()
        # Which secrets were replaced while nobody worked is not known, and who was
        # paused is known to no new process: all that waits may try.
        await self.waker.wake_all()
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.catalog.watch(over))
            waking = group.create_task(self._wake())
            started()
            await self.worker.run(stop, grace)
            over.set()
            waking.cancel()

    async def _wake(self) -> None:
        while True:
            secret = await self.resumed.get()
            try:
                await self.waker.wake(secret)
            except Unavailable:
                # Nothing is lost: what waits comes due by itself, only later.
                continue
