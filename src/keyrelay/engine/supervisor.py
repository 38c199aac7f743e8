"""Supervisor: runs the worker beside the tasks that keep it informed and wake."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from keyrelay.concurrency.outage import Outage
from keyrelay.engine.insistence import until_available
from keyrelay.engine.pausing import PauseSharing
from keyrelay.engine.worker import Worker
from keyrelay.ports import Definitions, Waker

log = logging.getLogger(__name__)


def _outage() -> Outage:
    return Outage(log=log, begun="nothing is woken", over="what waits is woken again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """`resumed` receives the id of each secret that was replaced or is paused no more.

    Its waiting triggers are made due then.
    """

    worker: Worker
    definitions: Definitions
    pauses: PauseSharing
    waker: Waker
    resumed: asyncio.Queue[str]
    _outage: Outage = field(default_factory=_outage, init=False)

    async def work(
        self, stop: asyncio.Event, grace: timedelta, started: Callable[[], None]
    ) -> None:
        """Work until `stop` is set or the queue is drained, then as Worker.run says.

        `started` is called once the catalog has been read for the first time.
        """
        await self.definitions.refresh()
        await self.pauses.refresh()
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.definitions.watch(over))
            group.create_task(self.pauses.share(over))
            waking = group.create_task(self._wake())
            started()
            await self.worker.run(stop, grace)
            over.set()
            waking.cancel()

    async def _wake(self) -> None:
        # A new process knows neither which secrets were replaced while no worker ran
        # nor which were paused: every waiting trigger becomes due.
        await self._retry(self.waker.wake_all)
        while True:
            secret = await self.resumed.get()
            await self._retry(partial(self.waker.wake, secret))

    async def _retry(self, wake: Callable[[], Awaitable[None]]) -> None:
        await until_available(wake, self._outage, self.worker.world.sleep)
