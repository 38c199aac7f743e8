"""Presence: by what the workers of one database know which of them live."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.schema.tables import Instant, workers

LONGEST_HOST = 255

log = logging.getLogger(__name__)

# Ours may be gone, forgotten while we were cut off for long.
_TELL = text("""
INSERT INTO workers (id, host, alive_until) VALUES (:ours, :host, :until)
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until
""").bindparams(bindparam("until", type_=Instant))
_LEAVE = delete(workers).where(workers.c.id == bindparam("ours"))
_FORGET = delete(workers).where(workers.c.alive_until < bindparam("before"))


@dataclass(slots=True)
class Contact:
    """When we were last heard, and since when we are in touch all the time."""

    heard: datetime
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Ours. `id` is new in each process: of what an earlier one began we know nothing.

    Whoever has not told for a whole lease that he lives is dead, unless nobody could
    tell: after the database was away all seem dead, and all live.
    """

    database: Database
    world: World
    lease: timedelta
    id: str
    host: str
    _contact: Contact

    @property
    def renewal(self) -> timedelta:
        """How often we tell: in time even if it fails once."""
        return self.lease / 3

    @property
    def retry(self) -> timedelta:
        """How soon we tell again if that failed: long before the others give us up."""
        return self.renewal / 10

    async def tell(self) -> None:
        """Write that we live. Raises Unavailable."""
        async with self.database.transaction() as connection:
            now = await time_of(self.database, connection, self.world)
            ours = {"ours": self.id, "host": self.host, "until": now + self.lease}
            await connection.execute(_TELL, ours)
        if self._is_late():
            # Not before now: until this moment the others may have been cut off, too.
            self._contact.since = self.world.now()
        self._contact.heard = self.world.now()

    async def tell_if_late(self) -> None:
        """Tell before anything is claimed, if the process was asleep for too long.

        Otherwise what we claim could be taken from us at once.
        """
        if self._is_late():
            await self.tell()

    def knows_the_dead(self) -> bool:
        """Whether those who seem dead are: in a whole lease all could have told."""
        now = self.world.now()
        return not self._is_late() and now - self._contact.since >= self.lease

    async def leave(self) -> None:
        """Let the others have at once what we leave unfinished."""
        try:
            async with self.database.transaction() as connection:
                await connection.execute(_LEAVE, {"ours": self.id})
        except Unavailable as fault:
            log.warning("worker not signed off", extra={"why": str(fault)})

    async def forget(self, longer_ago: timedelta) -> None:
        """Forget who died longer ago than that. Raises Unavailable."""
        async with self.database.transaction() as connection:
            now = await time_of(self.database, connection, self.world)
            await connection.execute(_FORGET, {"before": now - longer_ago})

    def _is_late(self) -> bool:
        # As long as the database may be away without anybody's seeming dead, who was
        # heard a `renewal` before and tries again each `retry`; a slow one is not away.
        return self.world.now() - self._contact.heard > self.lease * 0.6


@asynccontextmanager
async def signed_on(
    database: Database, world: World, lease: timedelta
) -> AsyncIterator[Heartbeat]:
    """Be there for as long as this is open. Raises Unavailable."""
    now = world.now()
    heartbeat = Heartbeat(
        database=database,
        world=world,
        lease=lease,
        id=world.new_id(now),
        host=socket.gethostname()[:LONGEST_HOST],
        _contact=Contact(heard=now - lease, since=now),
    )
    await heartbeat.tell()
    try:
        yield heartbeat
    finally:
        await heartbeat.leave()


async def time_of(
    database: Database, connection: AsyncConnection, world: World
) -> datetime:
    """Return the time by which workers live: of the database, if they share one.

    Clocks of machines differ, and who is behind would be dead from birth.
    """
    if not database.is_shared:
        return world.now()
    # The moment itself, not that at which the transaction began.
    now = select(func.clock_timestamp(type_=Instant))
    return (await connection.execute(now)).scalar_one()
