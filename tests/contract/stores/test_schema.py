"""Schema: a database that is up to date is known without Alembic."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from keyrelay.databases.opening import open_database
from keyrelay.stores.schema import migrations
from keyrelay.stores.schema.age import NEWEST, is_current
from keyrelay.stores.schema.migrations import migrate


def test_the_newest_is_the_last_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")

    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


async def test_a_database_is_current_once_it_was_migrated(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'new.db'}") as database:
        before = await is_current(database)
        await migrate(database)
        after = await is_current(database)

    assert (before, after) == (False, True)
