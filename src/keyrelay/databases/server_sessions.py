"""Server sessions: connections to PostgreSQL, each looked at before it is used.

A pooler in between may drop the settings that a session begins with; they are set then.
It may also lend one session of the server to several of ours (transaction pooling):
locks, listeners and settings are lost then, and it is refused.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from keyrelay.databases.database import PATIENCE
from keyrelay.databases.server_tls import UnusableTls, verified_context
from keyrelay.databases.server_url import ServerUrl

_NAME = {"application_name": "keyrelay"}
_SETTINGS = _NAME | {
    # Whatever the server's default is: without it, a crash of the server may lose
    # commits that were already reported as durable.
    "synchronous_commit": "on",
    # A plan that was made while a table was small scans all of it once it is large,
    # for as long as the connection is open and the table is not analyzed.
    "plan_cache_mode": "force_custom_plan",
    "lock_timeout": "10s",
    # A process that was stopped, or whose machine is gone, frees its locks soon.
    "idle_in_transaction_session_timeout": "30s",
}
_LOOK = """
SELECT pg_backend_pid() AS process, pg_postmaster_start_time() AS started,
  current_setting('server_encoding') AS encoding,
  (SELECT array_agg(current_setting(name, true) ORDER BY place)
   FROM unnest($1::text[]) WITH ORDINALITY AS named (name, place)) AS settings
"""
_SET = """
SELECT count(set_config(name, value, false))
FROM unnest($1::text[], $2::text[]) AS settings (name, value)
"""
_ENCODING = "UTF8"
_ROUNDS = 2  # of looks at two connections in turn

# What was prepared is at another session of the server, or another's is at this one.
_PREPARED_ELSEWHERE = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)
_POOLED = "a pooler shares sessions (transaction pooling); use session pooling, or none"
_DROPPED = "a pooler drops our settings; name the server itself"


class UnfitSession(Exception):
    """The server, or what stands before it, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class _Backend:
    """One process of one server."""

    process: int
    started: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a session says of itself."""

    backend: _Backend
    encoding: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSessions:
    """Opens the sessions of one process with one database."""

    url: ServerUrl
    patience: timedelta
    _open: dict[asyncpg.Connection, _Backend] = field(default_factory=dict, init=False)

    async def open(self) -> asyncpg.Connection:
        """Return a session with our settings. Raises UnfitSession, or the driver's."""
        connection = await self._connect()
        with ExitStack() as unless_admitted:
            unless_admitted.callback(connection.terminate)
            await self._admit(connection)
            unless_admitted.pop_all()
        return connection

    async def _admit(self, connection: asyncpg.Connection) -> None:
        try:
            seen = await _look(connection)
            pooled = await self._is_pooled(connection, seen.backend)
        except _PREPARED_ELSEWHERE:
            raise UnfitSession(_POOLED) from None
        if pooled:
            raise UnfitSession(_POOLED)
        if seen.encoding != _ENCODING:
            raise UnfitSession(
                f"the database's encoding is {seen.encoding};"
                f" make one with ENCODING '{_ENCODING}'"
            )
        if seen.settings != _SETTINGS:
            await connection.fetch(_SET, [*_SETTINGS], [*_SETTINGS.values()])
            if (await _look(connection)).settings != _SETTINGS:
                raise UnfitSession(_DROPPED)
        self._open[connection] = seen.backend

    async def _is_pooled(
        self, connection: asyncpg.Connection, backend: _Backend
    ) -> bool:
        """Tell whether two open connections of ours are on one backend process."""
        for closed in [each for each in self._open if each.is_closed()]:
            del self._open[closed]
        if self._open:
            return backend in self._open.values()
        other = await self._connect()
        try:
            ours, others = {backend}, set[_Backend]()
            for _ in range(_ROUNDS):
                others.add((await _look(other)).backend)
                ours.add((await _look(connection)).backend)
            return len(ours) > 1 or len(others) > 1 or ours == others
        finally:
            await other.close()

    async def _connect(self) -> asyncpg.Connection:
        try:
            return await self._connect_with(_SETTINGS)
        except asyncpg.ProtocolViolationError:
            # PgBouncer refuses settings that it does not know; they are set later.
            return await self._connect_with(_NAME)

    async def _connect_with(self, settings: Mapping[str, str]) -> asyncpg.Connection:
        try:
            tls = verified_context(self.url.tls) if self.url.tls else None
        except UnusableTls as fault:
            raise UnfitSession(str(fault)) from None
        return await asyncpg.connect(
            self.url.dsn,
            ssl=tls,
            timeout=min(self.patience, PATIENCE).total_seconds(),
            command_timeout=self.patience.total_seconds(),
            server_settings=dict(settings),
        )


async def _look(connection: asyncpg.Connection) -> _Seen:
    row = await connection.fetchrow(_LOOK, [*_SETTINGS])
    assert row is not None
    return _Seen(
        backend=_Backend(row["process"], row["started"]),
        encoding=row["encoding"],
        settings=dict(zip(_SETTINGS, row["settings"], strict=True)),
    )
