"""Database: where definitions, audit records and dead letters are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keyrelay import sqlite
from keyrelay.ports import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The only thing here that knows which database it is."""

    engine: AsyncEngine
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Hold one snapshot. Raises Unavailable."""
        async with sqlite.reading(self.engine) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Hold the right to write; durable on leaving. Raises Unavailable."""
        # SQLite's own waiting is a sleep that knows no order: our own tasks would
        # hold each other up for up to a tenth of a second.
        async with self._turn, sqlite.writing(self.engine) as connection:
            yield connection

    @asynccontextmanager
    async def appending(self) -> AsyncIterator[AsyncConnection]:
        """Write rows that no other process writes; durable on leaving.

        Unlike `writing`, it holds nobody up where the database allows that. Raises
        Unavailable.
        """
        async with self.writing() as connection:
            yield connection


def is_there(url: str) -> bool:
    """Tell whether there is a database to open."""
    return sqlite.path_of(url).exists()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Give the database at `sqlite:///…`, made if it is not there.

    Raises Unavailable if its file cannot be made.
    """
    path = sqlite.path_of(url)
    _make_private(path)
    engine = sqlite.open_engine(path)
    try:
        yield Database(engine=engine)
    finally:
        await engine.dispose()


def _make_private(path: Path) -> None:
    """Make the file before SQLite does; its companions take over its mode."""
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError:
        raise Unavailable(
            f"{path}: the database cannot be opened; check its folder"
        ) from None
