"""Crew: a worker, and those who keep its view of the definitions fresh."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from keyrelay.ports import Backlog, Unavailable, Waker
from keyrelay.stores.catalog import LiveCatalog
from keyrelay.watch.watch import Watch
from keyrelay.worker import Worker

log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """`resumed` are the secrets that were replaced or whose pause has ended."""

    worker: Worker
    catalog: LiveCatalog
    waker: Waker
    backlog: Backlog
    resumed: asyncio.Queue[str]
    watch: Watch

    async def work(
        self, stop: asyncio.Event, grace: timedelta, started: Callable[[], None]
    ) -> None:
        """Work until `stop` is set, or until the queue is drained; then finish."""
        await self.catalog.refresh()
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.catalog.watch(over))
            waking = group.create_task(self._wake())
            started()
            await self.worker.run(stop, grace)
            over.set()
            waking.cancel()

    async def _wake(self) -> None:
        # Which secrets were replaced while nobody worked is not known, and who was
        # paused is known to no new process: all that waits may try.
        await self._insist(self.waker.wake_all)
        while True:
            secret = await self.resumed.get()
            await self._insist(partial(self.waker.wake, secret))

    async def _insist(self, wake: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await wake()
            except Unavailable as fault:
                log.warning("nothing is woken", extra={"reason": str(fault)})
            await self.worker.world.sleep(_PATIENCE)
