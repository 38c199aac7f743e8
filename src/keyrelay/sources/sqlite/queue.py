"""Embedded queue: triggers in one SQLite file, for the processes of one machine.

Accepts, leases and settlements are each done in batches: one transaction serves all
callers that came while the transaction before was written.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keyrelay.concurrency.batching import Batch
from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.databases.opening import make_private
from keyrelay.databases.sqlite import connect
from keyrelay.model.backlog import (
    Depth,
    Lag,
    PartitionBacklog,
    QueueEntry,
    QueueQuery,
    QueueStatus,
    ReadingLosses,
)
from keyrelay.model.dead_letter import DeadLetter, UnreadableBurials
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Act, Intervened
from keyrelay.model.revision import no_revision
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import RevisionNow
from keyrelay.sources.sqlite import inspection
from keyrelay.sources.sqlite.interventions import SqliteInterventions
from keyrelay.sources.sqlite.lease import HeldLeases, SqliteLease
from keyrelay.sources.sqlite.operations import IsPaused, Operations, leave_leased
from keyrelay.sources.sqlite.options import STANDARD, SqliteOptions
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.schema import prepare
from keyrelay.sources.sqlite.writes import Settling, Writes

_BATCH = 500  # items in one transaction


@asynccontextmanager
async def open_queue(
    path: Path,
    world: World,
    options: SqliteOptions = STANDARD,
    bury: UnreadableBurials = leave_leased,
    is_paused: IsPaused | None = None,
    revision: RevisionNow = no_revision,
) -> AsyncIterator["SqliteQueue"]:
    """Open the queue's file, which is made if it is not there.

    `revision` is what triggers are accepted under.
    `bury` keeps, durably on return, what stands there and cannot be read. What waits
    for a secret that is not `is_paused` goes on within a second, whichever process it
    waits for; with None, wakes alone end waits for secrets.

    A lease that is not settled when the queue closes expires in time. Raises
    UnknownSchema and Unavailable.
    """
    make_private(path)
    database = connect(path, options.patience, _replacing)
    try:
        await prepare(database)
        writes = Writes(database=database, world=world, options=options)
        operations = _operations(writes, bury, is_paused, revision)
        async with _running(operations) as queue:
            yield queue
    finally:
        await database.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteQueue:
    """ports.TriggerQueue."""

    _operations: Operations
    _upkeep: asyncio.Task[None]
    _accepts: Batch[Trigger, bool]
    _redrives: Batch[DeadLetter, bool]
    _loans: Batch[None, SqliteLoan | None]
    _settles: Batch[Settling, bool]

    @property
    def losses(self) -> ReadingLosses:
        return self._operations.writes.losses

    async def accept(self, trigger: Trigger) -> bool:
        return await self._accepts.submit(trigger)

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return await self._accepts.submit_all(triggers)

    async def redrive(self, letter: DeadLetter) -> bool:
        return await self._redrives.submit(letter)

    async def lease(self, until: asyncio.Event) -> SqliteLease | None:
        wakeup = self._operations.wakeup
        while not until.is_set():
            if self._upkeep.done():
                self._upkeep.result()  # leases would expire: its fault ends the lane
            count = wakeup.count
            asked_at = self._operations.writes.world.now()
            loan = await self._loans.submit(None)
            if loan is not None:
                return self._hold(loan, asked_at)
            if await self._operations.is_drained():
                return None
            if wakeup.count == count:
                await wakeup.wait(until)
        return None

    async def wake(self, secret: str) -> None:
        self._operations.wakeup.wake(await self._operations.writes.wake(secret))

    async def wake_all(self) -> None:
        self._operations.wakeup.wake(await self._operations.writes.wake_all())

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return a trigger's status; None, it is not known. Raises Unavailable."""
        return await inspection.status(self._operations.writes.database, profile, id_)

    async def publisher(self, profile: str, id_: str) -> str | None:
        database = self._operations.writes.database
        return await inspection.publisher(database, profile, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        database = self._operations.writes.database
        return await inspection.beginning(database, profile, sought)

    def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        """Yield the unsettled triggers, oldest first. Raises Unavailable."""
        database = self._operations.writes.database
        return inspection.entries(database, profile, query, after)

    async def count_unsettled(self, profile: str, most: int) -> int:
        database = self._operations.writes.database
        return await inspection.count_unsettled(database, profile, most)

    async def count_held(self) -> int:
        return await inspection.count_held(self._operations.writes.database)

    async def unsettled(self) -> Sequence[PartitionBacklog]:
        return ()

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        return await self._interventions.intervene(act, profile, ids, note)

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        await self._interventions.conclude(profile, ids)

    async def depth(self) -> Depth:
        """Return how much there is to do. Raises Unavailable."""
        writes = self._operations.writes
        return await inspection.depth(writes.database, writes.world.now())

    async def lags(self) -> Sequence[Lag]:
        """Return what is due as the lag of a single topic. Raises Unavailable."""
        depth = await self.depth()
        return (Lag(topic="queue", waiting=depth.due, age=depth.age),)

    async def unread(self) -> int:
        return 0

    @property
    def _interventions(self) -> SqliteInterventions:
        operations = self._operations
        return SqliteInterventions(writes=operations.writes, wakeup=operations.wakeup)

    async def close(self) -> None:
        """Return once nothing is written any more."""
        self._upkeep.cancel()
        await asyncio.wait([self._upkeep])
        for batch in (self._accepts, self._redrives, self._loans, self._settles):
            await batch.close()

    def _hold(self, loan: SqliteLoan, asked_at: datetime) -> SqliteLease:
        leases = self._operations.leases
        lease = SqliteLease(loan=loan, _leases=leases, _settle=self._settles.submit)
        leases.add(lease, asked_at)
        return lease


def _operations(
    writes: Writes,
    bury: UnreadableBurials,
    is_paused: IsPaused | None,
    revision: RevisionNow,
) -> Operations:
    return Operations(
        writes=writes,
        wakeup=Wakeup(),
        leases=HeldLeases(writes=writes),
        bury=bury,
        is_paused=is_paused,
        revision=revision,
    )


@asynccontextmanager
async def _running(operations: Operations) -> AsyncIterator[SqliteQueue]:
    await operations.bring_forward()
    if operations.bury is not leave_leased:  # a worker's: others look at no row
        await operations.resume()
    queue = SqliteQueue(
        _operations=operations,
        _upkeep=asyncio.create_task(operations.run_upkeep()),
        _accepts=Batch(run=operations.accept, most=_BATCH),
        _redrives=Batch(run=operations.redrive, most=_BATCH),
        _loans=Batch(run=operations.lend, most=_BATCH),
        _settles=Batch(run=operations.settle, most=_BATCH),
    )
    try:
        yield queue
    finally:
        await queue.close()


def _replacing(raw: bytes) -> str:
    """Decode what may be no UTF-8: one such row must not hide the others."""
    return raw.decode("utf-8", "replace")
