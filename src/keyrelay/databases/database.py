"""Database: what the stores ask of SQLite and of PostgreSQL alike."""

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.ports import Unavailable

PATIENCE = timedelta(seconds=15)  # with a server that does not answer
ENDLESS = timedelta(hours=6)  # where one statement may go over all rows there are


class Locked(Unavailable):
    """Another process holds a lock that is needed; asking again soon may work."""


class Database(Protocol):
    """One open database. What gives a connection raises Unavailable."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines may use it, perhaps with an older Keyrelay."""

    @property
    def poll_interval(self) -> timedelta:
        """How often to look for changes that came without a signal."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give one snapshot of everything."""

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give a transaction with the only right to write; durable on leaving.

        Each of its statements sees what was committed before it.
        """

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give a transaction without that right; durable on leaving.

        For rows that no other process writes. Where the database allows it, it
        neither waits for `writing` nor delays it. After Unavailable, what was
        written may have been kept.
        """

    def autocommit(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give a connection for one statement, which is a transaction by itself.

        As `transaction`, with one round trip to a server instead of three.
        """

    def migrating(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give `writing`, with short waits for locks. Raises Locked, too.

        A transaction that waits for a whole table delays all that come later and
        want a row of it.
        """

    async def signal_change(self, connection: AsyncConnection) -> None:
        """Wake the listeners, once the transaction of the connection is committed.

        Of a file, those of other processes are woken within a quarter of a second.
        """

    def listening(
        self, changed: asyncio.Event
    ) -> AbstractAsyncContextManager[asyncio.Event]:
        """Set `changed` at each signal; the event given is set when none can come.

        Raises Unavailable.
        """

    async def close(self) -> None:
        """Close all connections."""


def begins(column: ColumnElement[str], texts: Collection[str]) -> ColumnElement[bool]:
    """Tell whether a column of ASCII, sorted by bytes, begins with one of the texts."""
    ends = "\x7f"  # after each character of an id
    return or_(*(and_(column >= text, column < f"{text}{ends}") for text in texts))


def text_of(value: object) -> str:
    """Return a value as text: SQLite keeps one of any type in any column.

    Bytes that are no UTF-8 are replaced.
    """
    match value:
        case None:
            return ""
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)
