"""Pauses: which secrets are paused, where all workers and commands see them.

There is one row for a refused credential, which all workers obey, and one for each
worker that cannot reach a secret's peer, which ends with the worker. Only what names
the secret's present version counts.

Rows are not authenticated. One that was written by hand holds back the triggers of a
secret, for as long as it is written again and again; it releases nothing.
"""

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)

from keyrelay.databases.database import Database
from keyrelay.model.audit_document import printable
from keyrelay.model.pause import LONGEST_PAUSE, PauseRecord, SharedPause
from keyrelay.model.world import World
from keyrelay.stores.claims.heartbeat import LONGEST_HOST, time_at
from keyrelay.stores.schema.column_types import Instant
from keyrelay.stores.schema.tables import pauses, secrets
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_rows

KEPT = timedelta(seconds=30)  # what a worker cannot reach, unless it says so again
_ALL_WORKERS = ""  # in place of a worker
_LONGEST_REASON = 500
_MOST = Slice(0, 1_000_000)
_SECOND = timedelta(seconds=1)  # as much may two processes' clocks differ

_p = pauses.c
_IS_REFUSED = _p.worker == _ALL_WORKERS

_KEEP = text("""
INSERT INTO pauses
  (secret, worker, name, version, reason, since, length, probe_at, kept_until)
SELECT id, :worker, :name, version, :reason, :now, :length, :probe_at, :kept_until
FROM secrets WHERE id = :secret AND version = :version
ON CONFLICT (secret, worker) DO UPDATE
SET since = CASE
    WHEN pauses.version = excluded.version THEN pauses.since ELSE excluded.since
  END,
  version = excluded.version, reason = excluded.reason, length = excluded.length,
  probe_at = excluded.probe_at, prober = NULL, kept_until = excluded.kept_until
""").bindparams(
    bindparam("secret", type_=String),
    bindparam("worker", type_=String),
    bindparam("name", type_=String),
    bindparam("version", type_=BigInteger),
    bindparam("reason", type_=String),
    bindparam("now", type_=Instant),
    bindparam("length", type_=Integer),
    bindparam("probe_at", type_=Instant),
    bindparam("kept_until", type_=Instant),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecords:
    """What is written about pauses, for readers that make none."""

    database: Database
    world: World

    async def standing(self, profile: str | None = None) -> Sequence[PauseRecord]:
        """Return the pauses of a profile, or of all; the longest first.

        Raises Unavailable.
        """
        wanted = _of_present_versions().order_by(_p.since, _p.secret, _p.worker)
        if profile is not None:
            wanted = wanted.where(secrets.c.profile == profile)
        async with self.database.reading() as connection:
            now = await time_at(self.database, connection, self.world)
            stands = or_(_IS_REFUSED, _p.kept_until > now)
            found = await read_rows(connection, wanted.where(stands), _MOST, _record_of)
        return [each for each in found if not isinstance(each, UnreadableRow)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPauses:
    """ports.Pauses, of the worker that people know by `name`.

    Its `id` is new in each process.
    """

    database: Database
    world: World
    id: str
    name: str

    async def refused(self) -> Sequence[SharedPause]:
        wanted = _of_present_versions().where(_IS_REFUSED).order_by(_p.secret)
        async with self.database.reading() as connection:
            now = await time_at(self.database, connection, self.world)
            ahead = self.world.now() - now
            found = await read_rows(
                connection, wanted, _MOST, lambda row: self._shared(row, now, ahead)
            )
        # One that cannot be read pauses nothing, and is written again if need be.
        return [each for each in found if not isinstance(each, UnreadableRow)]

    async def replaced(self, versions: Mapping[str, int]) -> Collection[str]:
        asked = secrets.c.id.in_(list(versions))
        wanted = select(secrets.c.id, secrets.c.version).where(asked)
        async with self.database.reading() as connection:
            found = (await connection.execute(wanted)).all()
        return {row.id for row in found if row.version > versions[row.id]}

    async def keep_refused(self, pause: SharedPause) -> None:
        # In the order of all changes to secrets: none replaces this one meanwhile.
        async with self.database.writing() as connection:
            now = await time_at(self.database, connection, self.world)
            await connection.execute(_KEEP, self._row(pause, _ALL_WORKERS, now))

    async def end_refused(self, secret: str, version: int) -> None:
        ended = and_(_p.secret == secret, _IS_REFUSED, _p.version <= version)
        async with self.database.transaction() as connection:
            await connection.execute(delete(pauses).where(ended))

    async def claim_probe(self, pause: SharedPause) -> bool:
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            is_due = or_(
                _p.probe_at <= now + _SECOND,
                _p.probe_at > now + pause.length + _SECOND,  # a clock was ahead
                _p.prober == self.id,  # whose last probe never reached the peer
            )
            claimed = await connection.execute(
                update(pauses)
                .where(_p.secret == pause.secret, _IS_REFUSED)
                .where(_p.version == pause.version, is_due)
                .values(probe_at=now + pause.length, prober=self.id)
            )
        return claimed.rowcount == 1

    async def keep_unreachable(self, pauses_: Sequence[SharedPause]) -> None:
        kept = [pause.secret for pause in pauses_]
        async with self.database.writing() as connection:
            now = await time_at(self.database, connection, self.world)
            gone = and_(_p.worker == self.id, _p.secret.not_in(kept))
            dead = and_(_p.worker != _ALL_WORKERS, _p.kept_until <= now)
            await connection.execute(delete(pauses).where(or_(gone, dead)))
            if rows := [self._row(pause, self.id, now) for pause in pauses_]:
                await connection.execute(_KEEP, rows)

    def _row(
        self, pause: SharedPause, worker: str, now: datetime
    ) -> Mapping[str, object]:
        return {
            "secret": pause.secret,
            "worker": worker,
            "name": self.name,
            "version": pause.version,
            "reason": printable(pause.reason, _LONGEST_REASON),
            "now": now,
            "length": pause.length // _SECOND,
            "probe_at": now + (pause.probe_at - self.world.now()),
            "kept_until": None if worker == _ALL_WORKERS else now + KEPT,
        }

    def _shared(self, row: AnyRow, now: datetime, ahead: timedelta) -> SharedPause:
        """Read a row. Raises TypeError for what no worker writes."""
        # Bounded before it is multiplied: a timedelta overflows.
        length = min(max(row.length, 1), LONGEST_PAUSE // _SECOND) * _SECOND
        # A clock was ahead when the row was written, or it was not written by a worker.
        is_odd = row.probe_at > now + length + _SECOND
        return SharedPause(
            secret=row.secret,
            version=row.version,
            reason=_text(row.reason),
            length=length,
            probe_at=(now if is_odd else row.probe_at) + ahead,
            probed_here=row.prober == self.id,
        )


def worker_pauses(database: Database, world: World) -> WorkerPauses:
    """Return the pauses of this process, called by its machine and process id."""
    name = f"{socket.gethostname()[: LONGEST_HOST - 20]}:{os.getpid()}"
    id_ = world.new_id(world.now())
    return WorkerPauses(database=database, world=world, id=id_, name=name)


def _of_present_versions() -> Select[tuple[object, ...]]:
    is_present = and_(secrets.c.id == _p.secret, secrets.c.version == _p.version)
    return select(*_p).join(secrets, is_present)


def _record_of(row: AnyRow) -> PauseRecord:
    refused = row.worker == _ALL_WORKERS
    return PauseRecord(
        secret=row.secret,
        reason=_text(row.reason),
        since=row.since,
        probe_at=row.probe_at,
        worker=None if refused else _text(row.name),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError  # SQLite keeps a value of any type in any column
    return value
