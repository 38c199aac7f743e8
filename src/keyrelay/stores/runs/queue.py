"""Run queue: runs on loan to the lanes of one process, found again after a kill.

A process renews the leases of its runs while it lives. What it writes about a run is
kept only while the lease is its own: one that was paused until its lease ended, and
another process had taken the run, writes nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.databases.database import Database
from keyrelay.model.analysis import RunOn
from keyrelay.model.revision import parse_revision
from keyrelay.model.run import RunResult, RunState
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.runs.leases import HeldRuns, RunLease, RunLoan
from keyrelay.stores.runs.rows import order_of
from keyrelay.stores.schema.run_tables import runs
from keyrelay.stores.unreadable import ONE, AnyRow, UnreadableRow, read_rows

LEASE = timedelta(seconds=15)
POLL = timedelta(seconds=0.25)  # between two looks for a run

_r = runs.c

log = logging.getLogger(__name__)


def _outage() -> Outage:
    return Outage(log=log, begun="runs not renewed", over="runs are renewed again")


@dataclass(frozen=True, slots=True)
class _OnLoan:
    """What is on loan, whose renewal may fail for a while; one lane looks at a time."""

    held: HeldRuns = field(default_factory=HeldRuns)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    outage: Outage = field(default_factory=_outage)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueue:
    """ports.Queue of the runs that take place where `run_on` says.

    `wanted` are the analyses whose runs this process takes; None, those of all. A run
    whose deadline has passed is lent to any process, which ends it.
    """

    database: Database
    world: World
    run_on: RunOn
    wanted: Callable[[], Collection[str] | None]
    length: timedelta = LEASE
    _on_loan: _OnLoan = field(default_factory=_OnLoan, init=False)

    async def lease(self, until: asyncio.Event) -> RunLease | None:
        async with self._on_loan.lock:  # one lane looks, and the others wait for it
            while not until.is_set():
                lent = await self._take()
                if lent is not None:
                    return lent
                sleep = self.world.sleep(POLL)
                async with background(sleep) as slept, background(until.wait()) as end:
                    await asyncio.wait(
                        [slept, end], return_when=asyncio.FIRST_COMPLETED
                    )
        return None

    def note(self, run: str, result: RunResult) -> None:
        """Note how an attempt at a run on loan ended, to be kept when it is settled."""
        self._on_loan.held.results[run] = result

    async def until_lost(self, run: str) -> None:
        """Return once it is known that a run on loan may be another process's."""
        await self._on_loan.held.lost[run].wait()

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Renew what is on loan while the block runs; give the rest back then."""
        async with background(self._renew()):
            yield
        try:
            await self._on_loan.held.give_back(self.database, self.world)
        except Unavailable as fault:  # the leases end by themselves
            log.warning("runs not given back", extra={"reason": str(fault)})

    async def _renew(self) -> None:
        while True:
            await self.world.sleep(self.length / 3)
            try:
                await self._on_loan.held.renew(self.database, self.world, self.length)
            except Unavailable as fault:
                self._on_loan.outage.failed(str(fault))
            else:
                self._on_loan.outage.ended()

    async def _take(self) -> RunLease | None:
        wanted = self.wanted()
        async with self.database.reading() as connection:
            if await self._next(connection, wanted) is None:
                return None
        async with self.database.writing() as connection:
            while (loan := await self._next(connection, wanted)) is not None:
                if isinstance(loan, UnreadableRow):
                    now = await time_at(self.database, connection, self.world)
                    await _end_unreadable(connection, loan, now)
                elif (lent := await self._lend(connection, loan)) is not None:
                    return lent
        return None

    async def _next(
        self, connection: AsyncConnection, wanted: Collection[str] | None
    ) -> RunLoan | UnreadableRow | None:
        now = await time_at(self.database, connection, self.world)
        free = select(_r.id).where(_r.run_on == self.run_on, _is_free(now))
        # One whose lease ended while this process was asleep is still at work here.
        free = free.where(_r.id.not_in([*self._on_loan.held.owners]))
        if wanted is not None:
            free = free.where(or_(_r.analysis.in_(wanted), _r.deadline < now))
        id_ = await connection.scalar(free.order_by(_r.due_at, _r.id).limit(1))
        if id_ is None:
            return None
        whole = select(runs).where(_r.id == id_)
        for found in await read_rows(connection, whole, ONE, _loan_of):
            return found
        return None

    async def _lend(
        self, connection: AsyncConnection, loan: RunLoan
    ) -> RunLease | None:
        """Lend it; None, it was settled or renewed by its owner since it was read."""
        now = await time_at(self.database, connection, self.world)
        owner = self.world.new_id(self.world.now())
        lent = {
            "state": RunState.RUNNING,
            "owner": owner,
            "held_until": now + self.length,
            "started_at": now,
            "attempts": loan.ended,
            "cut": loan.is_cut,
        }
        free = update(runs).where(_r.id == loan.order.id, _is_free(now))
        if (await connection.execute(free.values(lent))).rowcount == 0:
            return None
        return self._on_loan.held.lend(self.database, self.world, loan, owner)


def _loan_of(row: AnyRow) -> RunLoan:
    was_cut = row.state == RunState.RUNNING  # its lease has ended, unsettled
    return RunLoan(
        order=order_of(row),
        revision=parse_revision(row.revision or ""),
        ended=row.attempts + was_cut,
        is_cut=bool(row.cut) or was_cut,
        was_cut=was_cut,
    )


def _is_free(now: datetime) -> ColumnElement[bool]:
    due = and_(_r.state == RunState.WAITING, _r.due_at <= now)
    return or_(due, and_(_r.state == RunState.RUNNING, _r.held_until < now))


async def _end_unreadable(
    connection: AsyncConnection, row: UnreadableRow, now: datetime
) -> None:
    log.error("run cannot be read", extra={"run": row.text("id")})
    sentence = "its row is not what was written"
    ended = {"state": RunState.FAILED, "sentence": sentence, "ended_at": now}
    await connection.execute(update(runs).where(_r.id == row.text("id")).values(ended))
