"""The worker: lanes that lease, attempt, record and settle until told to stop."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.insistence import RETRY_AFTER
from keyrelay.model.audit import AttemptIdentity, AttemptRecord, Report
from keyrelay.model.outcome import Deferred, ReasonClass, Uncertain
from keyrelay.model.settlement import (
    SHORTEST_UNSPENT,
    Attempt,
    Bury,
    Settlement,
    TryAgain,
    settle,
)
from keyrelay.model.world import World
from keyrelay.ports import Lease, LeaveLane, Queue, Unavailable

# Of a lease that was lost: it settles nothing, unless no other process has taken it.
_LET_GO = TryAgain(after=SHORTEST_UNSPENT, spent=False, reason="the lease was lost")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """`lanes` identical loops: lease, attempt, record, settle, one trigger at a time.

    Whatever is unavailable is tried again every second, and the lane waits for it. An
    attempt may leave its lane: it is concluded like any other, and another lane takes
    the place of its own.
    """

    queue: Queue
    attempt: Callable[[Lease, LeaveLane], Awaitable[Report]]
    conclusion: Conclusion
    lanes: int
    world: World

    async def run(self, stop: asyncio.Event, grace: timedelta) -> None:
        """Work until `stop` is set or the queue is drained.

        Attempts under way are then finished. Those that take longer than `grace` are
        cancelled, and their leases go back to the queue unsettled.
        """
        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                ending = group.create_task(_end(stop, grace, limit))
                await self._occupy(group, stop)
                ending.cancel()
        except TimeoutError:
            log.warning("grace is over; unfinished leases go back")

    async def _occupy(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Keep all lanes at work, until each of them and each left one has ended."""
        at_work: set[asyncio.Task[None]] = set()
        changes: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()
        left = partial(changes.put_nowait, None)

        def begin() -> None:
            lane = group.create_task(self._lane(stop, left))
            lane.add_done_callback(changes.put_nowait)
            at_work.add(lane)

        for _ in range(self.lanes):
            begin()
        while at_work:
            ended = await changes.get()
            if ended is None:
                begin()
            else:
                at_work.discard(ended)
                await ended  # a TaskGroup ignores a cancelled task: raise it here

    async def _lane(self, stop: asyncio.Event, left: Callable[[], None]) -> None:
        occupied = True

        def leave() -> None:
            nonlocal occupied
            occupied = False
            left()

        while occupied and (lease := await self._next(stop)) is not None:
            await self._work(lease, leave)

    async def _next(self, stop: asyncio.Event) -> Lease | None:
        async def lease() -> Lease | None:
            return None if stop.is_set() else await self.queue.lease(until=stop)

        return await self.conclusion.insist(lease)

    async def _work(self, lease: Lease, leave: LeaveLane) -> None:
        if (settlement := await self.conclusion.recorded(lease)) is not None:
            what = {"trigger": lease.trigger.id, "number": lease.number}
            log.info("trigger settled by its record", extra=what)
            await self.conclusion.conclude(lease, settlement, None)
            return
        started_at = self.world.now()
        report = await self._report_of(lease, leave)
        if report.lost:
            await self.conclusion.conclude(lease, _LET_GO, None)
            return
        settlement = self._settlement_of(lease, report)
        record: AttemptRecord | None = None
        # What was held back was no attempt and leaves no record, unless it is buried.
        if not report.held or isinstance(settlement, Bury):
            record = self._record_of(lease, report, settlement, started_at)
        await self.conclusion.conclude(lease, settlement, record)

    async def _report_of(self, lease: Lease, leave: LeaveLane) -> Report:
        try:
            return await self.attempt(lease, leave)
        except Unavailable as fault:
            waits = Deferred(str(fault), not_before=RETRY_AFTER, spends_attempt=False)
            return Report(outcome=waits, held=True)
        except Exception as error:  # noqa: BLE001 - the one catch-all: a bug of ours
            # Frames only: the error's message may quote a secret.
            frames = traceback.format_tb(error.__traceback__)
            what = {"error": type(error).__name__, "frames": frames}
            log.error("attempt failed", extra={"trigger": lease.trigger.id, **what})  # noqa: TRY400
            bug = Uncertain(
                f"internal error: {type(error).__name__}", why=ReasonClass.INTERNAL
            )
            return Report(outcome=bug)

    def _settlement_of(self, lease: Lease, report: Report) -> Settlement:
        attempt = Attempt(
            number=lease.number,
            ended_at=self.world.now(),
            deadline=lease.trigger.lifetime.deadline,
            chance=self.world.chance(),
            done=lease.done,
        )
        return settle(report.outcome, attempt, report.schedule)

    def _record_of(
        self,
        lease: Lease,
        report: Report,
        settlement: Settlement,
        started_at: datetime,
    ) -> AttemptRecord:
        now = self.world.now()
        attempt = AttemptIdentity(
            profile=lease.trigger.profile,
            trigger=lease.trigger.id,
            action=lease.trigger.action,
            number=lease.number,
            repeats=lease.repeats,
            started_at=started_at,
        )
        return AttemptRecord(
            id=self.world.new_id(now),
            attempt=attempt,
            report=report,
            settlement=settlement,
            at=now,
        )


async def _end(stop: asyncio.Event, grace: timedelta, limit: asyncio.Timeout) -> None:
    await stop.wait()
    limit.reschedule(asyncio.get_running_loop().time() + grace.total_seconds())
