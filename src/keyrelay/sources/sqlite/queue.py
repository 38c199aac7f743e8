"""The embedded queue: one SQLite file, into which triggers go and out of which leases.

What concurrent callers want is done together: accepts, leases and settlements are
each one transaction for all who came while the one before was written.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from keyrelay.concurrency.batching import Batch
from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.databases.sqlite import open_engine
from keyrelay.model.backlog import Depth, Lag, QueueStatus
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.sources.sqlite import inspection
from keyrelay.sources.sqlite.lease import HeldLeases, SqliteLease
from keyrelay.sources.sqlite.operations import Operations
from keyrelay.sources.sqlite.options import STANDARD, SqliteOptions
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.schema import prepare
from keyrelay.sources.sqlite.writes import Settling, Writes

_MOST = 500  # of anything in one transaction


@asynccontextmanager
async def open_queue(
    path: Path, world: World, terms: SqliteOptions = STANDARD
) -> AsyncIterator["SqliteQueue"]:
    """Open the queue's file, made if it is not there.

    What is leased and not settled when it closes goes back in time. Raises
    UnknownSchema and Unavailable.
    """
    engine = open_engine(path, terms.patience)
    try:
        await prepare(engine)
        async with _staffed(engine, world, terms) as queue:
            yield queue
    finally:
        await engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteQueue:
    """ports.TriggerQueue."""

    _clerk: Operations
    _upkeep: asyncio.Task[None]
    _accepts: Batch[Trigger, bool]
    _loans: Batch[None, SqliteLoan | None]
    _settles: Batch[Settling, bool]

    async def accept(self, trigger: Trigger) -> bool:
        return await self._accepts.submit(trigger)

    async def redrive(self, letter: DeadLetter) -> bool:
        redriven = await self._clerk.ledger.redrive(letter)
        self._clerk.bell.wake(1)
        return redriven

    async def lease(self, until: asyncio.Event) -> SqliteLease | None:
        bell = self._clerk.bell
        while not until.is_set():
            if self._upkeep.done():
                self._upkeep.result()  # without it, leases end: its fault is ours
            rung = bell.count
            loan = await self._loans.submit(None)
            if loan is not None:
                return self._hold(loan)
            if await self._clerk.is_drained():
                return None
            if bell.count == rung:
                await bell.wait(until)
        return None

    async def wake(self, secret: str) -> None:
        self._clerk.bell.wake(await self._clerk.ledger.wake(secret))

    async def wake_all(self) -> None:
        self._clerk.bell.wake(await self._clerk.ledger.wake_all())

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return where a trigger stands; None, it is not known. Raises Unavailable."""
        return await inspection.status(self._clerk.ledger.engine, profile, id_)

    async def depth(self) -> Depth:
        """Return how much there is to do. Raises Unavailable."""
        ledger = self._clerk.ledger
        return await inspection.depth(ledger.engine, ledger.world.now())

    async def lags(self) -> Sequence[Lag]:
        """Return what is due as the one topic there is. Raises Unavailable."""
        depth = await self.depth()
        return (Lag(topic="queue", waiting=depth.due, age=depth.age),)

    async def close(self) -> None:
        """Return once nothing is written any more."""
        self._upkeep.cancel()
        await asyncio.wait([self._upkeep])
        for group in (self._accepts, self._loans, self._settles):
            await group.close()

    def _hold(self, loan: SqliteLoan) -> SqliteLease:
        holdings = self._clerk.holdings
        lease = SqliteLease(loan=loan, _holdings=holdings, _settle=self._settles.submit)
        holdings.add(lease)
        return lease


@asynccontextmanager
async def _staffed(
    engine: AsyncEngine, world: World, terms: SqliteOptions
) -> AsyncIterator[SqliteQueue]:
    ledger = Writes(engine=engine, world=world, terms=terms)
    clerk = Operations(ledger=ledger, bell=Wakeup(), holdings=HeldLeases(ledger=ledger))
    queue = SqliteQueue(
        _clerk=clerk,
        _upkeep=asyncio.create_task(clerk.keep_up()),
        _accepts=Batch(run=clerk.accept, most=_MOST),
        _loans=Batch(run=clerk.lend, most=_MOST),
        _settles=Batch(run=clerk.settle, most=_MOST),
    )
    try:
        yield queue
    finally:
        await queue.close()
