"""Run hosts: the processes that host scripts, as all processes of a database see them.

A process says so again and again while it takes hosted runs. One that was killed is
believed to be alive until what it said last has run out.
"""

import logging
import socket
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import bindparam, delete, or_, select, text

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.databases.database import Database
from keyrelay.model.ids import made_at
from keyrelay.model.uploaded_script import Runtime
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.claims.heartbeat import LONGEST_HOST, NEVER, beat_on, time_at
from keyrelay.stores.schema.column_types import Instant
from keyrelay.stores.schema.run_tables import run_hosts
from keyrelay.stores.unreadable import AnyRow, Slice, read_rows

_MOST = Slice(0, 10_000)

log = logging.getLogger(__name__)

# The row may be gone, forgotten while this process was cut off for long.
_SAY = text("""
INSERT INTO run_hosts (id, host, languages, alive_until)
VALUES (:ours, :host, :languages, :until)
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until
""").bindparams(bindparam("until", type_=Instant))
_h = run_hosts.c
_until = _h.alive_until


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHost:
    """A process that hosts scripts of these languages, and has begun `since` then."""

    id: str
    host: str
    since: datetime
    languages: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHosts:
    database: Database
    world: World

    async def alive(self) -> Sequence[RunHost]:
        """Return those that are alive, the oldest first. Raises Unavailable."""
        async with self.database.reading() as connection:
            now = await time_at(self.database, connection, self.world)
            alive = select(run_hosts).where(_until > now, _until < NEVER)
            found = await read_rows(connection, alive.order_by(_h.id), _MOST, _host)
        return [each for each in found if isinstance(each, RunHost)]

    @asynccontextmanager
    async def announced(
        self, languages: Collection[Runtime], length: timedelta
    ) -> AsyncIterator[None]:
        """Say that this process hosts scripts of these languages, while the block runs.

        Each time it holds for `length`. A database that is away delays that, and stops
        nothing else.
        """
        id_ = self.world.new_id(self.world.now())
        ours = {
            "ours": id_,
            "host": socket.gethostname()[:LONGEST_HOST],
            "languages": " ".join(sorted(languages)),
        }
        say = partial(self._say, ours, length)
        outage = Outage(
            log=log, begun="host not announced", over="host is announced again"
        )
        saying = beat_on(say, self.world, length, outage, at_once=True)
        try:
            async with background(saying):
                yield
        finally:
            await self._sign_off(id_)

    async def _sign_off(self, id_: str) -> None:
        try:
            async with self.database.transaction() as connection:
                await connection.execute(delete(run_hosts).where(_h.id == id_))
        except Unavailable as fault:  # what was said last runs out
            log.warning("host not signed off", extra={"reason": str(fault)})

    async def _say(self, ours: Mapping[str, str], length: timedelta) -> None:
        """Say it for another `length`, and forget those that are dead for that long."""
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            dead = or_(_until < now - length, _until >= NEVER)
            await connection.execute(delete(run_hosts).where(dead))
            await connection.execute(_SAY, {**ours, "until": now + length})


def _host(row: AnyRow) -> RunHost:
    return RunHost(
        id=row.id,
        host=str(row.host),
        since=made_at(row.id),
        languages=str(row.languages).split(),
    )
