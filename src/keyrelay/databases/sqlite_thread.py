"""SQLite thread: transactions on one file, each handed to another thread as a whole.

A connection of aiosqlite is handed each statement alone: for a transaction of one
statement, four times as often as this one.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from keyrelay.concurrency.waiting import waiting_for

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


@dataclass(slots=True, kw_only=True)
class SqliteThread:
    """A connection that `open_file` opens when it is first used, and its thread."""

    open_file: Callable[[], sqlite3.Connection]
    _thread: ThreadPoolExecutor | None = field(default=None, init=False)
    _opened: sqlite3.Connection | None = field(default=None, init=False)

    async def transaction(self, work: Work[Result], waits_for: str) -> Result:
        """Do `work` with the only right to write; durable on return.

        What has begun goes on although its caller is cancelled. That the right is long
        in coming is logged as a wait for `waits_for`. Raises sqlite3.Error, and what
        `work` raises; then nothing was written, unless it was the commit that failed.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        loop, has_begun = asyncio.get_running_loop(), threading.Event()
        with waiting_for(waits_for, is_over=has_begun.is_set):
            return await loop.run_in_executor(
                self._thread, self._perform, work, has_begun
            )

    async def close(self) -> None:
        """Close the connection, after what has begun."""
        if self._thread is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._close)
            self._thread.shutdown()
            self._thread = None

    def _perform(self, work: Work[Result], has_begun: threading.Event) -> Result:
        if self._opened is None:
            self._opened = self.open_file()
        with self._opened as connection:  # commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            has_begun.set()
            return work(connection)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
