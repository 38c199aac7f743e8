"""Migrations: they bring a database of any age up to date, by Alembic."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from keyrelay.databases.database import Database
from keyrelay.stores.schema.age import DatabaseTooNew, read_version


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """One migration, and in words what it does."""

    revision: str
    what: str


async def plan(database: Database) -> Sequence[MigrationStep]:
    """Return what `migrate` would run, in this order.

    Raises Unavailable or DatabaseTooNew.
    """
    version = await read_version(database)
    scripts = ScriptDirectory.from_config(_config())
    try:
        newest_first = [*scripts.iterate_revisions("head", version or "base")]
    except CommandError:
        raise _too_new() from None
    return [
        MigrationStep(revision=script.revision, what=script.doc)
        for script in newest_first[::-1]
    ]


async def migrate(database: Database) -> None:
    """Bring the database up to date; all of it or nothing, and again does nothing.

    Several processes may do so at once: one migrates, the others wait for it. Raises
    Unavailable, DatabaseTooNew, and Locked while a process that works on the database
    holds a table: then try again.
    """
    async with database.migrating() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:  # a revision that is not among ours
        raise _too_new() from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def _too_new() -> DatabaseTooNew:
    return DatabaseTooNew("a newer Keyrelay made this database: run that one")
