"""SQLite: how a file is written and read."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keyrelay.concurrency.background import background
from keyrelay.concurrency.waiting import waiting_for
from keyrelay.databases.sqlite_connection import PATIENCE, open_file, refusal_of
from keyrelay.databases.sqlite_thread import SqliteThread, Work
from keyrelay.ports import Unavailable

_LOOK = timedelta(seconds=0.25)  # for commits of other processes
_BEGIN = "keyrelay_begin"

Stamp = tuple[int, int] | None
Result = TypeVar("Result")


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
    _thread: SqliteThread
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
            with waiting_for(self._others):
                connection = await stack.enter_async_context(_begun(self._writers))
            yield connection

    async def write(self, work: Work[Result]) -> Result:
        """Do `work` in a transaction with the only right to write; durable on return.

        It runs in another thread: for what is written often, as that takes a fraction
        of what `writing` takes. It wakes no listener. Raises Unavailable.
        """
        async with self._lock:
            with _refusing(self.engine):
                return await self._thread.transaction(work, self._others)

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
        await self._thread.close()
        await self.engine.dispose()

    @property
    def _others(self) -> str:
        return f"another process that writes to {self.engine.url.database}"


def connect(
    path: Path,
    patience: timedelta = PATIENCE,
    decode: Callable[[bytes], str] = str,
) -> SqliteDatabase:
    """Return the database in that file, opened when it is first used.

    Commits are durable, and errors quote no values. `decode` makes text of what the
    file holds; what `str` cannot decode makes the whole statement fail.
    """
    opening = partial(open_file, path, patience, decode)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        hide_parameters=True,
        async_creator=partial(_connect, opening),
    )
    event.listen(engine.sync_engine, "begin", _begin)
    # A transaction that reads first and writes later fails at once if another has
    # written in between; one that begins as a writer waits for the others.
    writers = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    thread = SqliteThread(open_file=opening)
    return SqliteDatabase(engine=engine, _writers=writers, _thread=thread)


@asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a transaction; turn what the system refuses into Unavailable."""
    with _refusing(engine):
        async with engine.begin() as connection:
            yield connection


@contextmanager
def _refusing(engine: AsyncEngine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if (refusal := refusal_of(error)) is None:
            raise
        raise Unavailable(f"{engine.url.database}: {refusal}") from error


async def _connect(opening: Callable[[], sqlite3.Connection]) -> aiosqlite.Connection:
    # Opened before aiosqlite starts its thread: if opening failed in it, the thread
    # would end unawaited, perhaps after the loop, and print to standard error.
    opened = await asyncio.to_thread(opening)
    connection = aiosqlite.Connection(lambda: opened, iter_chunk_size=64)
    # As SQLAlchemy does when it connects: the thread must not keep the program alive.
    connection._thread.daemon = True  # noqa: SLF001
    return await connection


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get(_BEGIN, "BEGIN"))
