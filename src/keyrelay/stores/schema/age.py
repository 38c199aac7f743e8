"""Age: whether the tables of a database are those of this Keyrelay."""

from enum import Enum, auto

from sqlalchemy import Connection, inspect, text

from keyrelay.databases.database import Database

NEWEST = "0023"  # the last of the migrations

_TABLE = "alembic_version"  # where Alembic keeps the last that was run


class Age(Enum):
    """How old the tables of a database are, compared with this Keyrelay."""

    NONE = auto()  # there are none
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


class DatabaseTooNew(Exception):
    """A newer Keyrelay made this database: that one must be run."""


class DatabaseTooOld(Exception):
    """An older Keyrelay made this database, and may still be using it."""


async def age_of(database: Database) -> Age:
    """Return the age of the tables. Raises Unavailable."""
    version = await read_version(database)
    if version is None:
        return Age.NONE
    if version == NEWEST:
        return Age.CURRENT
    return Age.OLDER if version < NEWEST else Age.NEWER


async def is_current(database: Database) -> bool:
    """Return whether there is nothing to migrate. Raises Unavailable."""
    return await age_of(database) is Age.CURRENT


async def read_version(database: Database) -> str | None:
    """Return which migration was run last; None, none was. Raises Unavailable."""
    async with database.reading() as connection:
        return await connection.run_sync(_version)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608
    return version
