"""SQLite: how both of our files are opened, and what its refusals mean."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiosqlite
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keyrelay.ports import Unavailable

PATIENCE = timedelta(seconds=10)  # with another process that is writing

# FULL, not NORMAL: in WAL mode the latter may lose the last commits on power loss.
_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON")
_AGAIN = timedelta(milliseconds=10)
_BEGIN = "keyrelay_begin"
_REFUSALS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_BUSY: "the database is locked; end the process that holds it",
    sqlite3.SQLITE_LOCKED: "the database is locked; end the process that holds it",
    sqlite3.SQLITE_PROTOCOL: "the database is locked; end the process that holds it",
    sqlite3.SQLITE_READONLY: "the database cannot be written; check its permissions",
    sqlite3.SQLITE_PERM: "the database cannot be read; check its permissions",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened; check its folder",
    sqlite3.SQLITE_IOERR: "the disk does not answer; check it",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a database; move it away",
}


def path_of(url: str) -> Path:
    """Return the file that a `sqlite:///…` names."""
    return Path(make_url(url).database or "")


def open_engine(path: Path, patience: timedelta = PATIENCE) -> AsyncEngine:
    """Return an engine with durable commits and errors that tell no value."""
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        hide_parameters=True,
        async_creator=partial(_connect, path, patience),
    )
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold one snapshot of the database. Raises Unavailable."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (DBAPIError, sqlite3.Error) as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise Unavailable(f"{engine.url.database}: {refusal}") from error


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold the only right to write; durable on leaving. Raises Unavailable."""
    # A transaction that reads first and then writes fails at once, without waiting,
    # if another has written in between; one that begins as a writer waits its turn.
    writer = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    async with reading(writer) as connection:
        yield connection


async def _connect(path: Path, patience: timedelta) -> aiosqlite.Connection:
    # Opened before it gets its thread: the thread of one that fails to open ends
    # unawaited, perhaps after the loop, and then cries into standard error.
    opened = await asyncio.to_thread(_open, path, patience)
    connection = aiosqlite.Connection(lambda: opened, iter_chunk_size=64)
    # As SQLAlchemy does where it connects: nothing here may outlive the program.
    connection._thread.daemon = True  # noqa: SLF001
    return await connection


def _open(path: Path, patience: timedelta) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=patience.total_seconds(),
        # Transactions are begun by us, below; sqlite3 would begin them too late.
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _switch_to_wal(connection, patience)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection, patience: timedelta) -> None:
    """Have our turn at a new file: of those who switch it at once all but one are
    refused, without the waiting that SQLite does everywhere else."""
    end = time.monotonic() + patience.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= end:
                raise
            time.sleep(_AGAIN.total_seconds())
        else:
            return


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get(_BEGIN, "BEGIN"))


def _refusal(error: DBAPIError | sqlite3.Error) -> str | None:
    """Say what the world refuses us; None, the mistake is our own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The lowest byte is the kind; the rest says more than an operator needs.
    return _REFUSALS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
