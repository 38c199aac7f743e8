"""Opening: from a URL to the database that it names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

from keyrelay.databases.database import PATIENCE, Database
from keyrelay.databases.server_url import is_server_url, parse_server_url
from keyrelay.ports import Unavailable

_COMPANIONS = ("-wal", "-shm")  # of SQLite's, beside a file


def is_there(url: str) -> bool:
    """Return whether there is a database to open; a server is asked on opening."""
    return is_server_url(url) or file_of(url).exists()


def file_of(url: str) -> Path:
    """Return the file that a `sqlite:///…` names."""
    path = url.partition(":///")[2].partition("?")[0]
    return Path(unquote(path))


def has_password(url: str) -> bool:
    return is_server_url(url) and parse_server_url(url).has_password


def is_same(url: str, other: str) -> bool:
    """Tell whether both name the same database."""
    return _named(url) == _named(other)


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
    if is_server_url(url):
        from keyrelay.databases import postgresql

        return postgresql.connect(url, patience)
    from keyrelay.databases import sqlite

    path = file_of(url)
    make_private(path)
    return sqlite.connect(path)


def _named(url: str) -> str:
    return parse_server_url(url).shown if is_server_url(url) else str(file_of(url))


def make_private(path: Path) -> None:
    """Make the file before SQLite does, which gives its companions the same mode.

    Those that are there already lose all rights of other users. Raises Unavailable.
    """
    try:
        path.touch(mode=0o600, exist_ok=True)
        for each in (path, *(Path(f"{path}{end}") for end in _COMPANIONS)):
            with suppress(FileNotFoundError, PermissionError):
                each.chmod(each.stat().st_mode & 0o700)
    except OSError:
        raise Unavailable(
            f"{path}: the database cannot be opened; check its folder"
        ) from None
