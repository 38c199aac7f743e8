"""Opening: from a URL to the database that it names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from keyrelay.databases.database import PATIENCE, Database
from keyrelay.ports import Unavailable


def is_there(url: str) -> bool:
    """Return whether there is a database to open; a server is asked on opening."""
    return _is_postgresql(url) or file_of(url).exists()


def file_of(url: str) -> Path:
    """Return the file that a `sqlite:///…` names."""
    return Path(make_url(url).database or "")


@asynccontextmanager
async def open_database(
    url: str, patience: timedelta = PATIENCE
) -> AsyncIterator[Database]:
    """Open the database at `sqlite:///…`, made if it is missing, or `postgresql://…`.

    A server may take as long as `patience` to answer. Raises Unavailable if a file
    cannot be made.
    """
    database = _connect(url, patience)
    try:
        yield database
    finally:
        await database.close()


def _connect(url: str, patience: timedelta) -> Database:
    # Imported here: a process pays only for the driver of the database that it uses.
    if _is_postgresql(url):
        from keyrelay.databases import postgresql

        return postgresql.connect(url, patience)
    from keyrelay.databases import sqlite

    path = file_of(url)
    _make_private(path)
    return sqlite.connect(path)


def _is_postgresql(url: str) -> bool:
    return make_url(url).get_backend_name() == "postgresql"


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which gives its companions the same mode."""
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError:
        raise Unavailable(
            f"{path}: the database cannot be opened; check its folder"
        ) from None
