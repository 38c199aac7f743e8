"""Play: what all scenes share, and what they watch."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keyrelay.demo.arrivals import Arrivals
from keyrelay.demo.cast import Role, expected
from keyrelay.demo.catcher import Catcher
from keyrelay.demo.local_sqs import LocalQueue
from keyrelay.demo.shell import Shell
from keyrelay.demo.stage import Count, Stage
from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.queue import open_queue

HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What all scenes share; HOME is a folder of the shell's directory."""

    shell: Shell
    catcher: Catcher
    queue: LocalQueue
    arrivals: Arrivals

    @property
    def stage(self) -> Stage:
        return self.shell.stage

    @property
    def arrived(self) -> int:
        return len(self.catcher.mails) + self.queue.count

    def counts(self) -> Sequence[Count]:
        return (
            Count("mails", len(self.catcher.mails), expected(Role.ALARM)),
            Count("messages", self.queue.count, expected(Role.PALLET)),
        )

    async def watch(self, worker: Process, enough: int | None = None) -> None:
        """Show what arrives, until it is enough or the worker has ended."""
        ended = asyncio.create_task(worker.wait())
        ended.add_done_callback(lambda _: self.arrivals.announce())
        with self.stage.counter() as show:
            async with self._looking():
                while not ended.done() and (enough is None or self.arrived < enough):
                    show(self.counts())
                    await self.arrivals.next()
            if enough is None:
                await self.queue.look()
            show(self.counts())
        ended.cancel()

    async def left(self) -> int:
        """Return how many triggers are in the queue, leased or waiting."""
        async with open_queue(
            self.shell.directory / HOME / "queue.db", real_world()
        ) as queue:
            depth = await queue.depth()
        return depth.waiting + depth.leased

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self.queue.watch(self.arrivals.announce))
            yield
            looking.cancel()
