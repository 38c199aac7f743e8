"""Job runner: takes jobs that wait or were abandoned, and does what they ask for."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.job import JobKind, JobState
from keyrelay.ports import Unavailable
from keyrelay.services.job_holding import HeldJob
from keyrelay.services.job_letters import JobLetters
from keyrelay.services.job_verification import JobVerification
from keyrelay.stores.jobs.leases import JobLost
from keyrelay.stores.jobs.results import JobResults

MOST_AT_ONCE = 8  # jobs of one process
POLL = timedelta(seconds=0.5)  # between two looks for a job
RETRY_AFTER = timedelta(seconds=1)
FORGET_EVERY = timedelta(minutes=10)

log = logging.getLogger(__name__)

Ending = Mapping[str, object]


def _outage() -> Outage:
    return Outage(log=log, begun="jobs stand still", over="jobs go on again")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunner:
    """Runs a few jobs at once, each on a lane of its own."""

    results: JobResults
    letters: JobLetters
    verification: JobVerification
    _outage: Outage = field(default_factory=_outage, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set, then finish the rows that were begun.

        What is left of a job then is taken by the next process that runs jobs.
        """
        taking = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forget(stop))
            for _ in range(MOST_AT_ONCE):
                group.create_task(self._lane(taking, stop))

    async def _lane(self, taking: asyncio.Lock, stop: asyncio.Event) -> None:
        while (held := await self._next(taking, stop)) is not None:
            async with (
                background(held.watch()),
                background(held.end_with(stop)),
            ):
                try:
                    await self._work(held)
                except JobLost:
                    extra = {"job": held.job.id}
                    log.warning("job lost to another process", extra=extra)

    async def _next(self, taking: asyncio.Lock, stop: asyncio.Event) -> HeldJob | None:
        """Return the next job; None once `stop` is set. One lane looks at a time."""
        leases = self.results.leases
        async with taking:
            while not stop.is_set():
                asked_at = leases.world.now()
                try:
                    lease = await leases.take()
                except Unavailable as fault:
                    self._outage.failed(str(fault))
                    lease = None
                if lease is not None:
                    until = asked_at + leases.length
                    return HeldJob(lease=lease, results=self.results, ours_until=until)
                await self._pause(POLL, stop)
        return None

    async def _work(self, held: HeldJob) -> None:
        """Work on the job until it is over. Raises JobLost."""
        job, ending = held.job, None
        extra = {"job": job.id, "kind": job.order.kind}
        log.info("job begun", extra=extra)
        while ending is None and not held.over.is_set():
            try:
                ending = await self._step(held)
                if ending is not None:
                    await held.leases.end(held.lease, ending)
            except Unavailable as fault:
                self._outage.failed(str(fault))
                ending = None
                await held.pause(RETRY_AFTER)
            else:
                self._outage.ended()
        if ending is None:
            await self._give_back(held)
        else:
            log.info("job ended", extra={**extra, "state": ending["state"]})

    async def _step(self, held: HeldJob) -> Ending | None:
        """Do a part of the job; return how it ends, or None if it does not yet."""
        try:
            match held.job.order.kind:
                case JobKind.REDRIVE:
                    return await self.letters.redrive(held)
                case JobKind.DROP:
                    return await self.letters.drop(held)
                case JobKind.VERIFY:
                    return await self.verification.verify(held)
                case unknown:
                    assert_never(unknown)
        except InvalidDefinition as fault:
            return {"state": JobState.FAILED, "message": str(fault)}

    async def _give_back(self, held: HeldJob) -> None:
        try:
            await held.leases.give_back(held.lease)
        except Unavailable as fault:  # its lease ends by itself
            extra = {"job": held.job.id, "reason": str(fault)}
            log.warning("job not given back", extra=extra)

    async def _forget(self, stop: asyncio.Event) -> None:
        """Forget again and again what ended long ago."""
        while not stop.is_set():
            try:
                while await self.results.forget() and not stop.is_set():
                    pass
            except Unavailable as fault:
                self._outage.failed(str(fault))
            await self._pause(FORGET_EVERY, stop)

    async def _pause(self, time: timedelta, stop: asyncio.Event) -> None:
        """Wait for so long, or until `stop` is set."""
        sleep = self.results.leases.world.sleep(time)
        async with background(sleep) as passed, background(stop.wait()) as stopped:
            await asyncio.wait([passed, stopped], return_when=asyncio.FIRST_COMPLETED)
