"""The database: made private, migrated once however many come, as the tables say."""

import asyncio
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from keyrelay.databases.opening import open_database
from keyrelay.ports import Unavailable
from keyrelay.stores.schema.age import DatabaseTooNew
from keyrelay.stores.schema.migrations import migrate
from keyrelay.stores.schema.tables import metadata
from tests.services.postgresql import PostgreSql


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where nothing was made yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'keyrelay.db'}"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.url(server.create())


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@on_sqlite
async def test_only_its_owner_can_read_the_database(tmp_path: Path, url: str) -> None:
    async with open_database(url) as database:
        await migrate(database)
        modes = modes_in(tmp_path)

    assert modes == dict.fromkeys(
        ("keyrelay.db", "keyrelay.db-wal", "keyrelay.db-shm"), 0o600
    )


async def test_a_database_in_no_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="check its folder"):
        async with open_database(f"sqlite:///{tmp_path / 'nowhere' / 'keyrelay.db'}"):
            pass


async def test_migrations_make_what_the_tables_say(url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, metadata))

    async with open_database(url) as database:
        await migrate(database)
        async with database.reading() as connection:
            assert await connection.run_sync(differences) == []


async def test_many_may_migrate_at_once_and_again(url: str) -> None:
    async def come() -> None:
        async with open_database(url) as database:
            await migrate(database)
            await migrate(database)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(come())


async def test_a_migration_that_fails_leaves_nothing(url: str) -> None:
    async with open_database(url) as database:
        async with database.writing() as connection:
            # In the way of the last table but one.
            await connection.execute(text("CREATE TABLE audit_records (x int)"))

        with pytest.raises(Exception, match="already exists"):
            await migrate(database)

        async with database.reading() as connection:
            assert await connection.run_sync(tables) == ["audit_records"]


async def test_a_database_of_a_newer_keyrelay_is_left_alone(url: str) -> None:
    async with open_database(url) as database:
        await migrate(database)
        async with database.writing() as connection:
            await connection.execute(
                text("UPDATE alembic_version SET version_num = '9'")
            )

        with pytest.raises(DatabaseTooNew, match="newer Keyrelay"):
            await migrate(database)
