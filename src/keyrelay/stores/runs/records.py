"""Run records: runs as faces ask for, see and list them.

Their rows are not authenticated. A run that was written by hand is decided like any
other: its analysis, policies and script are, and the environment is in no row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.run import ListedRun, RunOrder, RunState
from keyrelay.model.run_confirmation import RunConfirmation
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.definitions.loading import read_revision
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.rows import confirmation_columns, order_of, row_of, run_of
from keyrelay.stores.schema.run_tables import runs
from keyrelay.stores.unreadable import ONE, AnyRow, Slice, UnreadableRow, read_rows

T = TypeVar("T")

NOUN = "run"
KEPT = timedelta(days=30)  # after its end
FORGET_EVERY = timedelta(minutes=10)

_r = runs.c
_FORGOTTEN_TOGETHER = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Up to `amount` runs that were asked for before the one named; None, the newest.

    Only of this state, where it is given.
    """

    before: str | None = None
    amount: int = 20
    state: RunState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecords:
    """Each method raises Unavailable."""

    database: Database
    world: World

    async def keep(self, order: RunOrder) -> bool:
        """Keep a run, durably on return; False, it is there already."""
        async with self.database.writing() as connection:
            return await keep_run(connection, order)

    async def keep_all(self, orders: Sequence[RunOrder]) -> None:
        """Keep runs together, durably on return; those that are there stay."""
        if not orders:
            return
        async with self.database.writing() as connection:
            for order in orders:
                await keep_run(connection, order)

    async def order(self, profile: str, id_: str) -> RunOrder | None:
        """Return what is to be run; None, there is no such run, or none to be read."""
        return await self._read(profile, id_, order_of)

    async def get(self, profile: str, id_: str) -> ListedRun:
        """Raises NotFound."""
        found = await self._read(profile, id_, run_of)
        if found is None:
            raise NotFound(NOUN, id_)
        return found

    async def confirm(
        self, profile: str, id_: str, said: RunConfirmation
    ) -> RunConfirmation:
        """Keep what a script says of its end, durably on return, and return it.

        What was said before stays, and is returned. Raises NotFound.
        """
        first = (_r.profile == profile, _r.id == id_, _r.confirmed_at.is_(None))
        async with self.database.transaction() as connection:
            told = update(runs).where(*first).values(confirmation_columns(said))
            await connection.execute(told)
        return (await self.get(profile, id_)).confirmed or said

    async def list(
        self, profile: str, analysis: str, page: RunPage
    ) -> Sequence[ListedRun]:
        """Return the runs, newest first; one that cannot be read hides no others."""
        wanted = select(runs).where(_r.profile == profile, _r.analysis == analysis)
        if page.before is not None:
            wanted = wanted.where(_r.id < page.before)
        if page.state is not None:
            wanted = wanted.where(_r.state == page.state)
        # Ids sort by the second in which they were made.
        ordered, rows = wanted.order_by(_r.id.desc()), Slice(0, page.amount)
        async with self.database.reading() as connection:
            found = await read_rows(connection, ordered, rows, run_of)
        return [each for each in found if not isinstance(each, UnreadableRow)]

    async def forget(self) -> bool:
        """Forget a part of what ended long ago; return whether there was any."""
        async with self.database.writing() as connection:
            now = await time_at(self.database, connection, self.world)
            old = select(_r.id).where(_r.ended_at < now - KEPT)
            part = old.order_by(_r.ended_at).limit(_FORGOTTEN_TOGETHER)
            forgotten = delete(runs).where(_r.id.in_(part))
            return (await connection.execute(forgotten)).rowcount > 0

    async def keep_forgetting(self) -> None:
        """Forget again and again what ended long ago."""
        while True:
            try:
                while await self.forget():
                    pass
            except Unavailable:
                pass  # those that lease runs report it
            await self.world.sleep(FORGET_EVERY)

    async def _read(
        self, profile: str, id_: str, parse: Callable[[AnyRow], T]
    ) -> T | None:
        """Return a run as `parse` reads it; None, it is not there, or cannot be."""
        wanted = select(runs).where(_r.profile == profile, _r.id == id_)
        async with self.database.reading() as connection:
            for found in await read_rows(connection, wanted, ONE, parse):
                if not isinstance(found, UnreadableRow):
                    return found
        return None


@dataclass(frozen=True, slots=True)
class RunLetters:
    """ports.DeadLetters of runs: the row of a run that failed is its letter."""

    async def bury(self, letter: DeadLetter) -> None:
        """Leave it to the row, which is settled next."""


async def keep_run(connection: AsyncConnection, order: RunOrder) -> bool:
    """Keep a run within a transaction that writes; False, it is there already."""
    known = select(_r.id).where(_r.id == order.id)
    if await connection.scalar(known) is not None:
        return False
    revision = await read_revision(connection)
    row = {**row_of(order), "revision": str(revision)}
    await connection.execute(insert(runs).values(row))
    return True
