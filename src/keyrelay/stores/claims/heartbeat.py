"""Heartbeat: how the workers of one database know which of them are alive."""

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.databases.database import Database
from keyrelay.model.ids import made_at
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.schema.column_types import Instant
from keyrelay.stores.schema.tables import workers
from keyrelay.stores.unreadable import AnyRow, Slice, read_rows

LONGEST_HOST = 255
# No heartbeat lasts until then; what is no instant sorts behind it, in SQLite.
NEVER = datetime(2900, 1, 1, tzinfo=UTC)
_EVERY = Slice(0, 10_000)
_FORGOTTEN = timedelta(hours=24)  # how long ago a worker died that is forgotten

log = logging.getLogger(__name__)

# The row may be gone, forgotten while this worker was cut off for long.
_BEAT = text("""
INSERT INTO workers (id, host, alive_until) VALUES (:ours, :host, :until)
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until
""").bindparams(bindparam("until", type_=Instant))
_SIGN_OFF = delete(workers).where(workers.c.id == bindparam("ours"))
_until = workers.c.alive_until
_FORGET_DEAD = delete(workers).where(or_(_until < bindparam("before"), _until >= NEVER))


@dataclass(slots=True)
class Contact:
    """When the last heartbeat was written, and since when none was late."""

    last: datetime
    unbroken_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The heartbeat of this worker. Its `id` is new in each process.

    A worker without a heartbeat for a whole lease is dead, unless none could be
    written: after an outage of the database all seem dead, and all are alive.
    """

    database: Database
    world: World
    lease: timedelta
    id: str
    host: str
    _contact: Contact

    async def beat(self) -> None:
        """Write a heartbeat. Raises Unavailable."""
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            ours = {"ours": self.id, "host": self.host, "until": now + self.lease}
            await connection.execute(_BEAT, ours)
        if self._is_late():
            # Not before now: until this moment the others may have been cut off, too.
            self._contact.unbroken_since = self.world.now()
        self._contact.last = self.world.now()

    async def beat_if_late(self) -> None:
        """Write a heartbeat before anything is claimed, if the process was asleep.

        Otherwise another worker could take at once what this one claims.
        """
        if self._is_late():
            await self.beat()

    def can_judge_others(self) -> bool:
        """Whether those that seem dead are: all could have written for a lease."""
        now = self.world.now()
        return not self._is_late() and now - self._contact.unbroken_since >= self.lease

    def was_in_time(self, since: datetime) -> bool:
        """Tell whether no heartbeat has been late since then."""
        return not self._is_late() and self._contact.unbroken_since <= since

    async def sign_off(self) -> None:
        """Let other workers take at once what this one has not finished."""
        try:
            async with self.database.transaction() as connection:
                await connection.execute(_SIGN_OFF, {"ours": self.id})
        except Unavailable as fault:
            log.warning("worker not signed off", extra={"reason": str(fault)})

    async def forget_dead(self, longer_ago: timedelta) -> None:
        """Forget workers that died longer ago than that. Raises Unavailable."""
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            await connection.execute(_FORGET_DEAD, {"before": now - longer_ago})

    def _is_late(self) -> bool:
        # Shorter than the outage after which a worker may seem dead, which wrote up to
        # a third of a lease before it and goes on trying (beat_on). A slow database
        # alone makes no heartbeat late.
        return self.world.now() - self._contact.last > self.lease * 0.6


@asynccontextmanager
async def signed_on(
    database: Database, world: World, lease: timedelta
) -> AsyncIterator[Heartbeat]:
    """Sign this worker on, and off at the end. Raises Unavailable."""
    now = world.now()
    heartbeat = Heartbeat(
        database=database,
        world=world,
        lease=lease,
        id=world.new_id(now),
        host=socket.gethostname()[:LONGEST_HOST],
        _contact=Contact(last=now - lease, unbroken_since=now),
    )
    await heartbeat.beat()
    try:
        yield heartbeat
    finally:
        await heartbeat.sign_off()


@asynccontextmanager
async def announced(
    database: Database, world: World, lease: timedelta
) -> AsyncIterator[None]:
    """Let others see that this worker is at work, where it needs no claims for that.

    Raises Unavailable.
    """
    async with signed_on(database, world, lease) as heartbeat:
        await heartbeat.forget_dead(_FORGOTTEN)
        outage = Outage(
            log=log, begun="worker not announced", over="worker is announced again"
        )
        async with background(beat_on(heartbeat.beat, world, lease, outage)):
            yield


async def beat_on(
    beat: Callable[[], Awaitable[None]],
    world: World,
    lease: timedelta,
    outage: Outage,
    *,
    at_once: bool = False,
) -> None:
    """Call `beat`, which holds for a lease, again and again in time.

    It is just done, unless it is to be done `at_once`. One that raises Unavailable is
    the outage's to say, and is tried again long before this process seems dead.
    """
    renewal = lease / 3  # in time even if one fails
    pause = timedelta() if at_once else renewal
    while True:
        if pause:
            await world.sleep(pause)
        try:
            await beat()
        except Unavailable as fault:
            outage.failed(str(fault))
            pause = renewal / 10
        else:
            outage.ended()
            pause = renewal


async def is_any_known(database: Database) -> bool:
    """Tell whether a worker is at work, or has ended without signing off.

    One that has been dead for long is forgotten. Raises Unavailable.
    """
    async with database.reading() as connection:
        return (
            await connection.scalar(select(workers.c.id.is_not(None)).limit(1)) is True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker that signed on `since` then, and has not been silent for a lease."""

    id: str
    host: str
    since: datetime


async def live_workers(database: Database, world: World) -> Sequence[LiveWorker]:
    """Return the workers that are alive, the oldest first. Raises Unavailable."""
    async with database.reading() as connection:
        now = await time_at(database, connection, world)
        alive = select(workers).where(_until > now, _until < NEVER)
        ordered = alive.order_by(workers.c.id)
        found = await read_rows(connection, ordered, _EVERY, _live_worker)
    return [each for each in found if isinstance(each, LiveWorker)]


def _live_worker(row: AnyRow) -> LiveWorker:
    return LiveWorker(id=row.id, host=str(row.host), since=made_at(row.id))


async def time_at(
    database: Database, connection: AsyncConnection, world: World
) -> datetime:
    """Return the time by which leases of workers are measured.

    That of the database if machines share it: their own clocks differ, and a worker
    whose clock is behind would seem dead from its start.
    """
    if not database.is_shared:
        return world.now()
    # The moment itself, not the beginning of the transaction.
    now = select(func.clock_timestamp(type_=Instant))
    return (await connection.execute(now)).scalar_one()
