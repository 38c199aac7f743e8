"""Run leases: the runs on loan to this process, renewed, settled or given back."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import assert_never

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.analysis import RunOn
from keyrelay.model.console import ConsoleLine
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.recorded import CutLeases
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunOrder, RunResult, RunState
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.consoles import append_lines
from keyrelay.stores.runs.rows import result_columns
from keyrelay.stores.schema.run_tables import runs

_r = runs.c
_FREE: Mapping[str, object] = {"owner": None, "held_until": None}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLoan:
    """A run that is to be lent; `ended` attempts were made or cut short before.

    `is_cut` tells whether one of them was cut short, `was_cut` whether the last was.
    """

    order: RunOrder
    revision: Revision | None
    ended: int
    is_cut: bool
    was_cut: bool


@dataclass(slots=True)
class HeldRuns:
    """What lanes of this process are at work on: each lease's owner by the run's id.

    `lost` is set, by the run's id, for one that another process may be at work on, too.
    """

    owners: dict[str, str] = field(default_factory=dict)
    lost: dict[str, asyncio.Event] = field(default_factory=dict)
    results: dict[str, RunResult] = field(default_factory=dict)

    def lend(
        self, database: Database, world: World, loan: RunLoan, owner: str
    ) -> "RunLease":
        self.owners[loan.order.id] = owner
        self.lost[loan.order.id] = asyncio.Event()
        return RunLease(
            loan=loan, owner=owner, database=database, world=world, _of=self
        )

    async def renew(self, database: Database, world: World, length: timedelta) -> None:
        """Extend all leases; report those that are lost, once."""
        for run, owner in [*self.owners.items()]:
            if self.owners.get(run) != owner or self.lost[run].is_set():
                continue
            async with database.transaction() as connection:
                until = await time_at(database, connection, world) + length
                renewed = update(runs).where(_is_ours(run, owner))
                done = await connection.execute(renewed.values(held_until=until))
            if done.rowcount == 0 and self.owners.get(run) == owner:
                self.lost[run].set()
                log.warning("run lost to another process", extra={"run": run})

    async def give_back(self, database: Database, world: World) -> None:
        """Let other processes take what is on loan at once, as what was cut short."""
        for run, owner in [*self.owners.items()]:
            async with database.transaction() as connection:
                now = await time_at(database, connection, world)
                ours = update(runs).where(_is_ours(run, owner))
                await connection.execute(ours.values(held_until=now))
            self.forget(run)

    def forget(self, run: str) -> None:
        """Let this process take the run again: none of its lanes is at work on it."""
        self.owners.pop(run, None)
        self.lost.pop(run, None)
        self.results.pop(run, None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunLease:
    """ports.Lease of a run; its trigger names the analysis in place of an action."""

    loan: RunLoan
    owner: str
    database: Database
    world: World
    _of: HeldRuns

    @property
    def trigger(self) -> Trigger:
        order = self.loan.order
        return Trigger(
            id=order.id,
            profile=order.profile,
            action=order.analysis,
            data=(),
            key=None,
            lifetime=Lifetime(
                raised_at=order.cause.asked_at,
                deadline=order.cause.deadline,
                revision=self.loan.revision,
            ),
        )

    @property
    def number(self) -> int:
        return self.loan.ended + 1

    @property
    def repeats(self) -> bool:
        return self.loan.is_cut

    @property
    def unsettled(self) -> CutLeases | None:
        loan = self.loan
        if not loan.is_cut:
            return None
        return CutLeases(since=loan.order.cause.asked_at, is_last=loan.was_cut)

    @property
    def done(self) -> frozenset[str]:
        return frozenset()

    async def still_held(self) -> bool:
        async with self.database.reading() as connection:
            now = await time_at(self.database, connection, self.world)
            ours = select(_r.id).where(self._is_ours, _r.held_until > now)
            return await connection.scalar(ours) is not None

    async def settle(self, settlement: Settlement) -> None:
        result = self._of.results.get(self.loan.order.id)
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            written = self._settled(settlement, result, now)
            ours = update(runs).where(self._is_ours)
            done = await connection.execute(ours.values(written))
            if done.rowcount and isinstance(settlement, TryAgain):
                await self._tell(connection, settlement)
        self._of.forget(self.loan.order.id)

    async def _tell(self, connection: AsyncConnection, again: TryAgain) -> None:
        """Say in the console that a script which has ended is run again."""
        order = self.loan.order
        if again.spent and order.run_on is RunOn.HOSTED:
            seconds = max(1, ceil(again.after.total_seconds()))
            text = f"The run is tried again in {seconds} s."
            line = ConsoleLine(at=self.world.now(), text=text)
            await append_lines(connection, order.profile, order.analysis, [line])

    def _settled(
        self, settlement: Settlement, result: RunResult | None, now: datetime
    ) -> dict[str, object]:
        kept = {} if result is None else result_columns(result)
        match settlement:
            case Done():
                ending = {"state": RunState.DONE, "ended_at": now}
            case Bury(reason=reason):
                kept = {**result_columns(RunResult(sentence=reason)), **kept}
                ending = {"state": RunState.FAILED, "ended_at": now}
            case TryAgain(after=after, spent=spent, reason=reason):
                kept = {**result_columns(RunResult(sentence=reason)), **kept}
                ended = self.number if spent else self.loan.ended
                due_at = now + after
                ending = {
                    "state": RunState.WAITING,
                    "due_at": due_at,
                    "attempts": ended,
                }
            case _:
                assert_never(settlement)
        spent_now = (
            {} if isinstance(settlement, TryAgain) else {"attempts": self.number}
        )
        return {**_FREE, **spent_now, **kept, **ending}

    @property
    def _is_ours(self) -> ColumnElement[bool]:
        return _is_ours(self.loan.order.id, self.owner)


def _is_ours(run: str, owner: str) -> ColumnElement[bool]:
    return and_(_r.id == run, _r.owner == owner, _r.state == RunState.RUNNING)
