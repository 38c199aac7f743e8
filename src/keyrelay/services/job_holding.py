"""Job holding: a job while this process runs it, until it is over or lost."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.model.job import Job
from keyrelay.ports import Unavailable
from keyrelay.services.redriving import LetterResult
from keyrelay.stores.jobs.leases import JobLease, JobLeases, JobLost
from keyrelay.stores.jobs.results import JobResults

LOOK = timedelta(seconds=0.4)  # how often to ask whether the job was cancelled

log = logging.getLogger(__name__)


def _outage() -> Outage:
    return Outage(log=log, begun="job not renewed", over="job is renewed again")


@dataclass(slots=True, kw_only=True)
class HeldJob:
    """A job on loan to this process.

    `over` is set when nothing more is to be begun: the job was cancelled, or lost, or
    the process stops. `ours_until` is by this process's clock.
    """

    lease: JobLease
    results: JobResults
    ours_until: datetime
    over: asyncio.Event = field(default_factory=asyncio.Event)
    next_at: datetime | None = None  # when the rate lets the next letter go
    _outage: Outage = field(default_factory=_outage, init=False)

    @property
    def job(self) -> Job:
        return self.lease.job

    @property
    def leases(self) -> JobLeases:
        return self.results.leases

    async def watch(self) -> None:
        """Renew the lease, and look for a cancel, until the job is over."""
        world, renewal = self.leases.world, self.leases.length / 3
        while not self.over.is_set():
            await world.sleep(LOOK)
            try:
                if self.ours_until - world.now() <= self.leases.length - renewal:
                    await self._renew()
                if not await self.leases.is_to_go_on(self.lease):
                    self.over.set()
            except JobLost:
                self.over.set()
            except Unavailable as fault:
                self._outage.failed(str(fault))
            else:
                self._outage.ended()

    async def end_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.over.set()

    async def pause(self, time: timedelta) -> None:
        """Wait for so long, or until the job is over."""
        await self.unless_over(self.leases.world.sleep(time))

    async def unless_over(self, work: Awaitable[object]) -> bool:
        """Tell whether `work` ended before the job was over; else it is cancelled."""
        async with background(work) as working, background(self.over.wait()) as over:
            await asyncio.wait([working, over], return_when=asyncio.FIRST_COMPLETED)
            return working.done()

    def keeper(self, chosen: Mapping[str, int]) -> "HeldResults":
        """Return what keeps the results of these letters, by trigger their number."""
        return HeldResults(held=self, chosen=chosen)

    async def _renew(self) -> None:
        # Counted from before the request: by the database's clock it lasts longer.
        asked_at = self.leases.world.now()
        await self.leases.renew(self.lease)
        self.ours_until = asked_at + self.leases.length


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldResults:
    """redriving.ResultKeeper of a job that this process holds."""

    held: HeldJob
    chosen: Mapping[str, int]

    def require_right(self) -> None:
        # A process that was asleep for longer than its lease knows it by its clock.
        if self.held.leases.world.now() >= self.held.ours_until:
            raise Unavailable("the lease of the job is to be renewed first")

    async def keep(
        self, connection: AsyncConnection, results: Sequence[LetterResult]
    ) -> None:
        refusals = {self.chosen[each.trigger]: each.refusal for each in results}
        await self.held.results.keep(connection, self.held.lease, refusals)
