"""Schema: whether a database's tables are those of this Keyrelay."""

from sqlalchemy import Connection, inspect, text

from keyrelay.stores.database import Database

NEWEST = "0001"  # the last of the migrations

_TABLE = "alembic_version"  # where Alembic notes which of them was run


class DatabaseTooNew(Exception):
    """A newer Keyrelay made this database: that one must be run."""


async def is_current(database: Database) -> bool:
    """Tell whether there is nothing to migrate. Raises Unavailable."""
    async with database.reading() as connection:
        return await connection.run_sync(_version) == NEWEST


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608
    return version
