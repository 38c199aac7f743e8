"""Naming: an id, a key or a name leads to one definition of the profile, or to none."""

import pytest

from keyrelay.services.naming import (
    AmbiguousName,
    UnknownName,
    find_definition,
    find_secret,
)
from keyrelay.stores.definitions.document_store import id_of
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.house import ADA, House, allow, mail_action
from tests.samples import OTHER_PROFILE, PROFILE


async def test_a_secret_is_found_by_its_id_and_by_its_key(house: House) -> None:
    id_ = await house.new_secret("smtp-main")
    await house.new_secret("smtp-main-2")

    by_id = await find_secret(house.secrets, PROFILE, id_)
    by_key = await find_secret(house.secrets, PROFILE, "smtp-main")

    assert secret_id_of(by_id) == secret_id_of(by_key) == id_


async def test_a_definition_is_found_by_its_id_and_by_its_name(house: House) -> None:
    policy = await house.policies.create(PROFILE, allow("north"), ADA)

    by_id = await find_definition(house.policies, PROFILE, policy.id)
    by_name = await find_definition(house.policies, PROFILE, "north")

    assert id_of(by_id) == id_of(by_name) == policy.id


@pytest.mark.parametrize("name", ["nort", "n*", "*", "NORTH", "north "])
async def test_only_the_whole_name_counts(house: House, name: str) -> None:
    await house.policies.create(PROFILE, allow("north"), ADA)
    await house.new_secret("north")

    with pytest.raises(UnknownName) as policy:
        await find_definition(house.policies, PROFILE, name)
    with pytest.raises(UnknownName) as secret:
        await find_secret(house.secrets, PROFILE, name)

    assert str(policy.value) == f"there is no policy {name!r}"
    assert str(secret.value) == f"there is no secret {name!r}"


async def test_a_name_that_two_have_is_ambiguous(house: House) -> None:
    action = mail_action(await house.new_secret(), "tell")
    ids = {(await house.actions.create(PROFILE, action, ADA)).id for _ in range(2)}

    with pytest.raises(AmbiguousName) as fault:
        await find_definition(house.actions, PROFILE, "tell")

    assert set(fault.value.ids) == ids


async def test_another_profile_has_neither_the_id_nor_the_name(house: House) -> None:
    id_ = await house.new_secret("smtp-main")

    with pytest.raises(NotFound):
        await find_secret(house.secrets, OTHER_PROFILE, id_)
    with pytest.raises(UnknownName):
        await find_secret(house.secrets, OTHER_PROFILE, "smtp-main")
