"""PostgreSQL: how the shared database is used, and what its refusals mean."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from keyrelay.concurrency.waiting import waiting_for
from keyrelay.databases.database import PATIENCE, Locked
from keyrelay.databases.server_sessions import ServerSessions, UnfitSession
from keyrelay.databases.server_url import parse_server_url
from keyrelay.ports import Unavailable

_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# The lock of `writing`; the number is Keyrelay's own.
_WRITER = text("SELECT pg_advisory_xact_lock(7021460)")
_CHANNEL = "keyrelay"
# From SQLAlchemy, from the driver where it is called directly, from the network.
_DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError)
_REFUSED = (DBAPIError, PoolExhausted, UnfitSession, *_DRIVERS, OSError)

# By SQLSTATE: its connection leads nowhere any more, even if it is open.
_READ_ONLY, _TOLD_TO_GO = "25006", "57P0"

_LOCKED = "the database is locked; end the process that holds it"
_SILENT = "the server does not answer; check that it runs and can be reached"
# By SQLSTATE, or by its first two characters, which are its class.
_REFUSALS = {
    "08": _SILENT,
    "08P01": "a pooler refuses our settings; name the server itself",
    "0A000": "its tables were changed this moment; try again",
    "25006": "the server takes no writes; name the primary",
    "25P03": "a transaction was left idle for too long; try again",
    "28": "the server refuses the login; check user and password",
    "3D000": "there is no such database; create it",
    "40": "another process was in the way; try again",
    "42501": "the user lacks rights there; grant them",
    "53": "the server has run out of memory or connections; give it more",
    "53100": "the server's disk is full; make room",
    "55P03": _LOCKED,
    "57": "the server is stopping or starting; wait for it",
    "57014": "the server broke a statement off; try again",
    "58": "the server's disk does not answer; check it",
    "XX001": "the database is damaged; restore it from a backup",
    "XX002": "the database is damaged; restore it from a backup",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlDatabase:
    """databases.Database over a server.

    The two other engines share the connections of the first: an engine with options
    takes as long to make as a statement to run, so they are made once.
    """

    engine: AsyncEngine
    _snapshots: AsyncEngine
    _autocommits: AsyncEngine
    _shown: str
    _lost: set[asyncio.Event] = field(default_factory=set, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def poll_interval(self) -> timedelta:
        return timedelta(seconds=1)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._begun(self._snapshots)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        # Tasks of one process wait for each other here, without a connection each.
        async with self._lock, self.transaction() as connection:
            with waiting_for(f"another process that writes to {self._shown}"):
                await connection.execute(_WRITER)
            yield connection

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._begun(self.engine)

    def autocommit(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._begun(self._autocommits)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        async with self.writing() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            yield connection

    async def signal_change(self, connection: AsyncConnection) -> None:
        await connection.execute(text(f"NOTIFY {_CHANNEL}"))

    @asynccontextmanager
    async def listening(self, changed: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        lost = asyncio.Event()
        self._lost.add(lost)
        with _refusals(self._shown):
            async with self.engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                assert isinstance(raw, asyncpg.Connection)
                try:
                    raw.add_termination_listener(lambda _: lost.set())
                    await raw.add_listener(_CHANNEL, lambda *_: changed.set())
                    yield lost
                finally:
                    self._lost.discard(lost)
                    # A connection that listens must not go back to the pool.
                    await connection.invalidate()

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def _begun(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with _refusals(self._shown):
            async with AsyncExitStack() as stack:
                with waiting_for(f"an answer of {self._shown}"):
                    connection = await stack.enter_async_context(engine.begin())
                yield connection

    def _notice(self, context: ExceptionContext) -> None:
        """Drop all connections once one leads to a server that serves no more.

        After a gentle failover they stay open, to a server that has turned read-only.
        """
        state = getattr(context.original_exception.__cause__, "sqlstate", None) or ""
        if state == _READ_ONLY or state.startswith(_TOLD_TO_GO):
            context.is_disconnect = True
            for lost in self._lost:
                lost.set()


def connect(url: str, patience: timedelta = PATIENCE) -> PostgresqlDatabase:
    """Return the database at that URL; connections are made when they are needed.

    Commits are durable, and errors quote no values.
    """
    named = parse_server_url(url)
    sessions = ServerSessions(url=named, patience=patience)
    engine = create_async_engine(
        # Without host, user and password: `sessions` makes the connections.
        "postgresql+asyncpg://",
        hide_parameters=True,
        pool_size=10,
        max_overflow=5,
        pool_timeout=patience.total_seconds(),
        async_creator=sessions.open,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    database = PostgresqlDatabase(
        engine=engine,
        _shown=named.shown,
        _snapshots=engine.execution_options(**_SNAPSHOT),
        _autocommits=engine.execution_options(isolation_level="AUTOCOMMIT"),
    )
    event.listen(engine.sync_engine, "handle_error", database._notice)  # noqa: SLF001 - its own module
    return database


@contextmanager
def _refusals(shown: str) -> Iterator[None]:
    """Turn what server and network refuse into Unavailable, which says what to do."""
    try:
        yield
    except _REFUSED as error:
        if (refusal := _refusal(error)) is None:
            raise
        kind = Locked if refusal == _LOCKED else Unavailable
        raise kind(f"{shown}: {refusal}") from error


def _refuse_closed(
    dbapi: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection
) -> None:
    """Replace a pooled connection that the server has closed since, by a restart."""
    if dbapi.driver_connection.is_closed():
        raise DisconnectionError


def _refusal(error: Exception) -> str | None:
    """Say what was refused and what to do; None, the mistake is Keyrelay's own."""
    if isinstance(error, UnfitSession):
        return str(error)
    if isinstance(error, PoolExhausted):
        return "all connections are in use; try again"
    if isinstance(error, ssl.SSLError):
        return "there is no TLS with the server; check sslmode and sslrootcert"
    if isinstance(error, OSError):
        return _SILENT
    cause, lost = _driver_error(error)
    if isinstance(cause, asyncpg.exceptions.ClientConfigurationError):
        return "its URL makes no sense; check its options"
    state = getattr(cause, "sqlstate", None) or ""
    return _REFUSALS.get(state, _REFUSALS.get(state[:2], _SILENT if lost else None))


def _driver_error(error: Exception) -> tuple[BaseException | None, bool]:
    """Return the driver's own error, and whether its connection is lost."""
    if isinstance(error, DBAPIError):
        return error.orig and error.orig.__cause__, error.connection_invalidated
    return error, isinstance(error, asyncpg.InterfaceError)
