"""The installation: founded once, and never with second keys."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyrelay.databases.opening import open_database
from keyrelay.model.documents import InvalidDefinition
from keyrelay.ports import Unavailable
from keyrelay.stores.installation import (
    Installation,
    KeysExist,
    Profile,
    create_installation,
    create_profile,
    find_profile,
    list_profiles,
    read_installation,
    read_upgraded_at,
)
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.migrations import migrate
from tests.contract.stores.house import ADA, BEFORE_THE_INDEX, STORE, House
from tests.samples import PROFILE


async def installed(house: House) -> Installation:
    installation = await read_installation(house.database)
    assert installation is not None
    return installation


async def test_what_was_founded_is_read_back(house: House) -> None:
    installation = await installed(house)

    assert installation.store == STORE
    assert installation.keys == house.audit_log.vault.keyring.wrapped


async def test_an_empty_database_holds_no_installation(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'empty.db'}") as database:
        await migrate(database)

        assert await read_installation(database) is None


async def test_a_new_installation_was_never_upgraded(house: House) -> None:
    assert await read_upgraded_at(house.database) is None


async def test_an_upgraded_installation_knows_since_when(house: House) -> None:
    before = datetime.now(UTC)
    await house.break_in(
        "ALTER TABLE installation DROP COLUMN upgraded_at",
        *BEFORE_THE_INDEX,
        "UPDATE alembic_version SET version_num = '0003'",
    )

    await migrate(house.database)

    upgraded_at = await read_upgraded_at(house.database)
    assert upgraded_at is not None
    assert before <= upgraded_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    "left",
    [(), ("DELETE FROM installation",), ("DELETE FROM wrapped_keys",)],
    ids=["all", "keys only", "the store only"],
)
async def test_where_keys_exist_none_are_made(
    house: House, left: tuple[str, ...]
) -> None:
    before = await installed(house)
    await house.break_in(*left)
    keys = await house.look("SELECT * FROM wrapped_keys")
    records = await house.look("SELECT count(*) FROM audit_records")
    another = replace(before, store="2" * 24)

    with pytest.raises(KeysExist, match="nothing was changed"):
        await create_installation(
            house.audit_log, another, Profile(id="c" * 24, name="c"), ADA
        )

    assert await house.look("SELECT * FROM wrapped_keys") == keys
    assert await house.look("SELECT count(*) FROM audit_records") == records


async def test_the_founding_is_recorded(house: House) -> None:
    entries = await house.look("SELECT document FROM audit_records ORDER BY seq")

    nouns = [str(document).split('"noun":"')[1][:3] for (document,) in entries]
    assert nouns == ["pro", "key", "key"]


async def test_a_profile_is_made_and_found_by_its_name(house: House) -> None:
    profile = await create_profile(house.audit_log, "plant two", ADA)

    assert await find_profile(house.database, "plant two") == profile
    names = [each.name for each in await list_profiles(house.database)]
    assert names == ["main", "other", "plant two"]


async def test_a_profile_is_made_once(house: House) -> None:
    with pytest.raises(InvalidDefinition, match="'main' is there already"):
        await create_profile(house.audit_log, "main", ADA)


async def test_a_profile_that_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotFound, match="there is no profile nobody"):
        await find_profile(house.database, "nobody")


async def test_without_an_installation_nothing_can_be_written(house: House) -> None:
    await house.break_in("DELETE FROM installation")

    with pytest.raises(Unavailable, match="run `keyrelay init`"):
        await house.new_secret()


async def test_the_profile_is_as_it_was_founded(house: House) -> None:
    assert await find_profile(house.database, "main") == Profile(
        id=PROFILE, name="main"
    )
