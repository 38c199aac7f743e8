"""SQLite connection: how a file is opened, and what its refusals mean."""

import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError

PATIENCE = timedelta(seconds=10)  # with another process that is writing

# FULL, not NORMAL: in WAL mode the latter may lose the last commits on power loss.
_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON")
_RETRY = timedelta(milliseconds=10)
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


def open_file(
    path: Path, patience: timedelta, decode: Callable[[bytes], str]
) -> sqlite3.Connection:
    """Return a connection whose commits are durable, and which any thread may use.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        path,
        timeout=patience.total_seconds(),
        # The callers begin transactions: sqlite3 would begin them too late.
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = decode
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


def refusal_of(error: DBAPIError | sqlite3.Error) -> str | None:
    """Say what was refused and what to do; None, the mistake is Keyrelay's own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The lowest byte is the kind; the rest says more than an operator needs.
    return _REFUSALS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
