"""Migrations: how a database of any age becomes one of today."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from keyrelay.stores.database import Database
from keyrelay.stores.schema import DatabaseTooNew


async def migrate(database: Database) -> None:
    """Bring the database up to date; all of it or nothing, and again does nothing.

    Whoever comes second waits for the first. Raises Unavailable or DatabaseTooNew.
    """
    async with database.writing() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:  # a revision that is not among ours
        raise DatabaseTooNew(
            "a newer Keyrelay made this database: run that one"
        ) from None
