"""SQLite: how a file is opened, written and read, and what its refusals mean."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiosqlite
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keyrelay.concurrency.background import background
from keyrelay.concurrency.waiting import waiting_for
from keyrelay.ports import Unavailable

PATIENCE = timedelta(seconds=10)  # with another process that is writing

# FULL, not NORMAL: in WAL mode the latter may lose the last commits on power loss.
_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON")
_RETRY = timedelta(milliseconds=10)
_LOOK = timedelta(seconds=0.25)  # for commits of other processes
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


Stamp = tuple[int, int] | None


@dataclass(slots=True)
class _Signals:
    """The listeners of this process.

    `pending` is set while a transaction runs at whose end the listeners are woken.
    """

    listeners: set[asyncio.Event] = field(default_factory=set)
    pending: bool = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self.pending = False
        yield
        if self.pending:
            for changed in self.listeners:
                changed.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteDatabase:
    """databases.Database over one file, shared by the processes of one machine.

    Both engines share the same connections.
    """

    engine: AsyncEngine
    _writers: AsyncEngine
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _signals: _Signals = field(default_factory=_Signals, init=False)

    @property
    def is_shared(self) -> bool:
        return False

    @property
    def poll_interval(self) -> timedelta:
        return timedelta(seconds=2)

    def stamp(self) -> Stamp:
        """Return what is another after each commit of any process, but for a few.

        It costs a thousandth of a query. Two commits in one tick of the file system's
        clock may look like one: ask again from time to time, although it is the same.
        """
        # A commit is appended to the write-ahead log, or, after a checkpoint, written
        # over its beginning.
        log = Path(f"{self.engine.url.database}-wal")
        try:
            found = log.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with _begun(self.engine) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        # SQLite waits by polling, in no order: without the lock, tasks of the same
        # process would delay each other by up to a tenth of a second.
        async with (
            self._lock,
            self._signals.transaction(),
            AsyncExitStack() as stack,
        ):
            path = self.engine.url.database
            with waiting_for(f"another process that writes to {path}"):
                connection = await stack.enter_async_context(_begun(self._writers))
            yield connection

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.writing()

    def autocommit(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.writing()

    def migrating(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.writing()

    async def signal_change(self, connection: AsyncConnection) -> None:
        self._signals.pending = True

    @asynccontextmanager
    async def listening(self, changed: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        self._signals.listeners.add(changed)
        try:
            async with background(self._watch(changed)):
                yield asyncio.Event()
        finally:
            self._signals.listeners.discard(changed)

    async def _watch(self, changed: asyncio.Event) -> None:
        """Set `changed` for what other processes commit, too."""
        seen = self.stamp()
        while True:
            await asyncio.sleep(_LOOK.total_seconds())
            if (stamp := self.stamp()) != seen:
                seen = stamp
                changed.set()

    async def close(self) -> None:
        await self.engine.dispose()


def connect(
    path: Path,
    patience: timedelta = PATIENCE,
    decode: Callable[[bytes], str] = str,
) -> SqliteDatabase:
    """Return the database in that file, opened when it is first used.

    Commits are durable, and errors quote no values. `decode` makes text of what the
    file holds; what `str` cannot decode makes the whole statement fail.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        hide_parameters=True,
        async_creator=partial(_connect, path, patience, decode),
    )
    event.listen(engine.sync_engine, "begin", _begin)
    # A transaction that reads first and writes later fails at once if another has
    # written in between; one that begins as a writer waits for the others.
    writers = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    return SqliteDatabase(engine=engine, _writers=writers)


@asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a transaction; turn what the system refuses into Unavailable."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (DBAPIError, sqlite3.Error) as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise Unavailable(f"{engine.url.database}: {refusal}") from error


async def _connect(
    path: Path, patience: timedelta, decode: Callable[[bytes], str]
) -> aiosqlite.Connection:
    # Opened before aiosqlite starts its thread: if opening failed in it, the thread
    # would end unawaited, perhaps after the loop, and print to standard error.
    opened = await asyncio.to_thread(_open, path, patience)
    opened.text_factory = decode
    connection = aiosqlite.Connection(lambda: opened, iter_chunk_size=64)
    # As SQLAlchemy does when it connects: the thread must not keep the program alive.
    connection._thread.daemon = True  # noqa: SLF001
    return await connection


def _open(path: Path, patience: timedelta) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=patience.total_seconds(),
        # `_begin` starts transactions: sqlite3 would start them too late.
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
    """Switch a new file to WAL, and try again while another process does the same.

    SQLite refuses all but one of them at once, without the wait of other statements.
    """
    end = time.monotonic() + patience.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= end:
                raise
            time.sleep(_RETRY.total_seconds())
        else:
            return


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get(_BEGIN, "BEGIN"))


def _refusal(error: DBAPIError | sqlite3.Error) -> str | None:
    """Say what was refused and what to do; None, the mistake is Keyrelay's own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The lowest byte is the kind; the rest says more than an operator needs.
    return _REFUSALS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
