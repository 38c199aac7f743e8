"""Transfer: a target is worked on only if its audit trail is as in the source."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keyrelay.databases.database import Database
from keyrelay.databases.opening import open_database
from keyrelay.services.transfer import Transfer
from keyrelay.stores.copying import Copying
from keyrelay.stores.installation import read_installation
from keyrelay.stores.schema.migrations import migrate
from tests.contract.stores.house import House

ALTER_ON_THE_WAY = """
CREATE TRIGGER alter_it AFTER INSERT ON audit_records
    BEGIN UPDATE audit_records SET document = '{}' WHERE id = NEW.id; END
"""


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'target.db'}") as database:
        await migrate(database)
        yield database


async def a_transfer(
    house: House, target: Database, *, complete: bool = False
) -> Transfer:
    world = house.audit_log.world
    copying = Copying(source=house.database, target=target, world=world)
    return Transfer(
        copying=copying,
        vault=house.audit_log.vault,
        checkpoint=house.audit_log.checkpoint,
        rows=await copying.check(),
        complete=complete,
    )


async def test_a_target_is_verified_and_its_secrets_open(
    house: House, target: Database
) -> None:
    await house.new_secret("one")
    await house.new_secret("two")

    transferred = await (await a_transfer(house, target)).run()

    assert transferred.usable
    assert transferred.verdict.breach is None
    assert transferred.rows["secrets"] == 2
    assert (transferred.secrets, transferred.flaws) == (2, 0)
    assert await read_installation(target) == await read_installation(house.database)


async def test_a_transfer_that_is_complete_is_only_looked_at(
    house: House, target: Database
) -> None:
    await house.new_secret("one")
    await (await a_transfer(house, target)).run()
    await house.new_secret("two")

    transferred = await (await a_transfer(house, target, complete=True)).run()

    assert (transferred.usable, transferred.secrets) == (True, 1)


async def test_a_target_whose_audit_trail_broke_on_the_way_is_not_usable(
    house: House, target: Database
) -> None:
    await house.new_secret("one")
    async with target.writing() as connection:
        await connection.exec_driver_sql(ALTER_ON_THE_WAY)

    transferred = await (await a_transfer(house, target)).run()

    assert not transferred.usable
    assert transferred.verdict.breach is not None
    assert await read_installation(target) is None


async def test_an_audit_trail_that_was_broken_in_the_source_is_copied_as_it_is(
    house: House, target: Database
) -> None:
    await house.new_secret("one")
    await house.break_in("UPDATE audit_records SET document = '{}' WHERE seq = 1")

    transferred = await (await a_transfer(house, target)).run()

    assert transferred.usable
    assert transferred.verdict.breach is not None
    assert await read_installation(target) is not None


async def test_a_secret_that_does_not_open_is_counted(
    house: House, target: Database
) -> None:
    await house.new_secret("one")
    await house.new_secret("two")
    await house.break_in(
        "UPDATE secrets SET envelope = substr(envelope, 2) WHERE key = 'two'"
    )

    transferred = await (await a_transfer(house, target)).run()

    assert (transferred.secrets, transferred.flaws) == (2, 1)
