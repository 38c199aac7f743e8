"""Database: where definitions, audit records and dead letters are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keyrelay.databases import postgresql as postgres
from keyrelay.databases import sqlite
from keyrelay.ports import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The only thing here that knows which database it is."""

    engine: AsyncEngine
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work on it, perhaps with an older Keyrelay."""
        return self.engine.dialect.name == "postgresql"

    @property
    def poll_interval(self) -> timedelta:
        """How often to look for changes that came without a signal."""
        return timedelta(seconds=1 if self.is_shared else 0.25)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Hold one snapshot. Raises Unavailable."""
        open_ = postgres.reading if self.is_shared else sqlite.reading
        return open_(self.engine)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Hold the right to write; durable on leaving. Raises Unavailable."""
        open_ = postgres.writing if self.is_shared else sqlite.writing
        # SQLite's own waiting is a sleep that knows no order: our own tasks would
        # hold each other up for up to a tenth of a second.
        async with self._turn, open_(self.engine) as connection:
            yield connection

    def appending(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Write rows that no other process writes; durable on leaving.

        Unlike `writing`, it holds nobody up where the database allows that. Raises
        Unavailable.
        """
        return postgres.appending(self.engine) if self.is_shared else self.writing()

    def stating(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Append by one statement alone, which is durable once it has run.

        It is one way to a server and back, where `appending` is three. Raises
        Unavailable.
        """
        return postgres.stating(self.engine) if self.is_shared else self.writing()

    @asynccontextmanager
    async def altering(self) -> AsyncIterator[AsyncConnection]:
        """Hold the right to write, and to change tables without waiting for long.

        Raises Unavailable, and Locked where somebody at work holds one of them.
        """
        async with self.writing() as connection:
            if self.is_shared:
                await postgres.hurry(connection)
            yield connection

    async def announce(self, connection: AsyncConnection) -> None:
        """Tell who hears, once what is written over this connection is kept."""
        if self.is_shared:
            await postgres.announce(connection)

    @asynccontextmanager
    async def listening(self, changed: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        """Set `changed` at each signal; the event given is set when none can come.

        Raises Unavailable.
        """
        if not self.is_shared:
            yield asyncio.Event()
            return
        async with postgres.listening(self.engine, changed.set) as lost:
            yield lost


def is_there(url: str) -> bool:
    """Tell whether there is a database to open; a server's is asked when it is."""
    return _is_shared(url) or sqlite.path_of(url).exists()


@asynccontextmanager
async def open_database(
    url: str, patience: timedelta = postgres.PATIENCE
) -> AsyncIterator[Database]:
    """Give the database at `sqlite:///…`, made if it is not there, or `postgresql://…`.

    A server may be silent for as long as `patience`. Raises Unavailable if its file
    cannot be made.
    """
    shared = _is_shared(url)
    engine = postgres.open_engine(url, patience) if shared else _open_file(url)
    try:
        yield Database(engine=engine)
    finally:
        await engine.dispose()


def _is_shared(url: str) -> bool:
    return make_url(url).get_backend_name() == "postgresql"


def _open_file(url: str) -> AsyncEngine:
    path = sqlite.path_of(url)
    _make_private(path)
    return sqlite.open_engine(path)


def _make_private(path: Path) -> None:
    """Make the file before SQLite does; its companions take over its mode."""
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError:
        raise Unavailable(
            f"{path}: the database cannot be opened; check its folder"
        ) from None
