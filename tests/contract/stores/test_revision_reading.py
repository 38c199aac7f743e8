"""Revision reading: what is read is the newest revision, in every database."""

from pathlib import Path

import pytest

from keyrelay.databases.sqlite import connect
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.loading import revision_now
from keyrelay.stores.definitions.revision_reading import reading_revision
from tests.contract.stores.house import House


async def test_the_revision_after_each_change_is_read(house: House) -> None:
    with reading_revision(house.database) as read:
        before = await read()
        await house.break_in("UPDATE installation SET revision = revision + 1")
        after = await read()

        assert before is not None
        assert before.is_older_than(after)
        assert after == await revision_now(house.database)


async def test_of_a_file_without_a_vault_the_database_says_why(tmp_path: Path) -> None:
    database = connect(tmp_path / "some.db")
    async with database.writing() as connection:
        await connection.exec_driver_sql(
            "CREATE TABLE installation (history TEXT, revision INTEGER)"
        )

    with (
        reading_revision(database) as read,
        pytest.raises(Unavailable, match="keyrelay init"),
    ):
        await read()
    await database.close()
