"""PostgreSQL: how the shared database is opened, and what its refusals mean."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import lru_cache, partial

import asyncpg
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from keyrelay.ports import Unavailable

PATIENCE = timedelta(seconds=15)  # with a server that says nothing
ENDLESS = timedelta(hours=6)  # where a statement may go over all that is kept

_SESSION = {
    "application_name": "keyrelay",
    # Whatever the server's own default is: without it a crash of the server takes
    # commits along of which we have told the world that they are kept.
    "synchronous_commit": "on",
    # A plan that was made while a table was small reads all of it when it is large,
    # for as long as the connection is open and nobody analyzes the table.
    "plan_cache_mode": "force_custom_plan",
    "lock_timeout": "10s",
    # A process that was stopped, or whose machine is gone, holds nobody up for long.
    "idle_in_transaction_session_timeout": "30s",
}
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# Whoever writes definitions holds it; the number is known to Keyrelay alone.
_WRITER = text("SELECT pg_advisory_xact_lock(7021460)")
_CHANNEL = "keyrelay"
# From SQLAlchemy, from the driver where we speak to it ourselves, and on the way.
_DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError)
_REFUSED = (DBAPIError, NoneFree, *_DRIVERS, OSError)

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


class Locked(Unavailable):
    """Another process holds what we wait for; asking again soon may work."""


def open_engine(url: str, patience: timedelta = PATIENCE) -> AsyncEngine:
    """Return an engine with durable commits and errors that tell no value."""
    named = make_url(url)
    dsn = named.set(drivername="postgresql").render_as_string(hide_password=False)
    engine = create_async_engine(
        # Without user and password: what is not in it cannot be printed.
        URL.create(
            "postgresql+asyncpg",
            host=named.host,
            port=named.port,
            database=named.database,
        ),
        hide_parameters=True,
        pool_size=10,
        max_overflow=5,
        pool_timeout=patience.total_seconds(),
        async_creator=partial(_connect, dsn, patience),
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold one snapshot of the database. Raises Unavailable."""
    async with appending(engine.execution_options(**_SNAPSHOT)) as connection:
        yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold the only right to write definitions; durable on leaving.

    Each statement sees what was committed before it. Raises Unavailable.
    """
    async with appending(engine) as connection:
        await connection.execute(_WRITER)
        yield connection


@asynccontextmanager
async def appending(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold a transaction that holds nobody up; durable on leaving.

    Raises Unavailable; then what was written may have been kept.
    """
    with _sentences(engine.url):
        async with engine.begin() as connection:
            yield connection


@asynccontextmanager
async def stating(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Have each statement be a transaction of its own.

    Raises Unavailable; then what was written may have been kept.
    """
    async with appending(_alone(engine)) as connection:
        yield connection


async def hurry(connection: AsyncConnection) -> None:
    """Have this transaction wait for no lock for long.

    Whoever waits for a whole table holds up all who come later and want a row of it.
    """
    await connection.execute(text("SET LOCAL lock_timeout = '1s'"))


async def announce(connection: AsyncConnection) -> None:
    """Tell who listens, as soon as the transaction is kept."""
    await connection.execute(text(f"NOTIFY {_CHANNEL}"))


@asynccontextmanager
async def listening(
    engine: AsyncEngine, heard: Callable[[], None]
) -> AsyncIterator[asyncio.Event]:
    """Call `heard` at each announcement; the event is set when none comes any more.

    Raises Unavailable.
    """
    lost = asyncio.Event()
    with _sentences(engine.url):
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert isinstance(raw, asyncpg.Connection)
            try:
                raw.add_termination_listener(lambda _: lost.set())
                await raw.add_listener(_CHANNEL, lambda *_: heard())
                yield lost
            finally:
                # Nobody else must be given a connection that listens.
                await connection.invalidate()


@lru_cache(maxsize=1)  # as long in the making as a statement in the running
def _alone(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def _connect(dsn: str, patience: timedelta) -> asyncpg.Connection:
    return await asyncpg.connect(
        dsn,
        timeout=min(patience, PATIENCE).total_seconds(),
        command_timeout=patience.total_seconds(),
        server_settings=_SESSION,
    )


@contextmanager
def _sentences(url: URL) -> Iterator[None]:
    """Turn what the world refuses us into Unavailable, which says what to do."""
    try:
        yield
    except _REFUSED as error:
        if (refusal := _refusal(error)) is None:
            raise
        where = url.set(drivername="postgresql").render_as_string()
        kind = Locked if refusal == _LOCKED else Unavailable
        raise kind(f"{where}: {refusal}") from error


def _refuse_closed(
    dbapi: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection
) -> None:
    """Have a connection replaced that the server has closed since, by a restart."""
    if dbapi.driver_connection.is_closed():
        raise DisconnectionError


def _refusal(error: Exception) -> str | None:
    """Say what the world refuses us; None, the mistake is our own."""
    if isinstance(error, NoneFree):
        return "all connections are in use; try again"
    if isinstance(error, ssl.SSLError):
        return "there is no TLS with the server; check sslmode and sslrootcert"
    if isinstance(error, OSError):
        return _SILENT
    cause, lost = _told(error)
    if isinstance(cause, asyncpg.exceptions.ClientConfigurationError):
        return "its URL makes no sense; check its options"
    state = getattr(cause, "sqlstate", None) or ""
    return _REFUSALS.get(state, _REFUSALS.get(state[:2], _SILENT if lost else None))


def _told(error: Exception) -> tuple[BaseException | None, bool]:
    """Return the driver's own error, and whether its connection is lost."""
    if isinstance(error, DBAPIError):
        return error.orig and error.orig.__cause__, error.connection_invalidated
    return error, isinstance(error, asyncpg.InterfaceError)
