"""Revision reading: how new the definitions are, asked once for each batch of triggers.

Of a file it is read in the event loop: to hand a query this small to another thread, in
a transaction of its own, takes a hundred times as long as the query, for each trigger
that comes alone. It waits for no lock, as SQLite's readers wait for no writer (WAL).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from keyrelay.databases.database import Database
from keyrelay.databases.sqlite import SqliteDatabase
from keyrelay.model.revision import Revision
from keyrelay.ports import RevisionNow
from keyrelay.stores.definitions.loading import revision_now

_REVISION = "SELECT history, revision FROM installation"


@dataclass(frozen=True, slots=True)
class FileRevision:
    """ports.RevisionNow. Whatever is unusual, the database is asked instead."""

    file: sqlite3.Connection
    database: Database

    async def __call__(self) -> Revision:
        try:
            rows = self.file.execute(_REVISION).fetchall()
        except sqlite3.Error:
            rows = []
        match rows:
            case [(str(history), int(number))]:
                return Revision(history, number)
            case _:
                return await revision_now(self.database)


@contextmanager
def reading_revision(database: Database) -> Iterator[RevisionNow]:
    """Give what reads the revision of the definitions in that database."""
    if not isinstance(database, SqliteDatabase):
        yield partial(revision_now, database)
        return
    path = Path(str(database.engine.url.database)).absolute()
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None
    )
    with closing(connection) as file:
        yield FileRevision(file, database)
