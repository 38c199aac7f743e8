"""Naming: an id, a key or a name leads to one definition of the profile, or to none."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.ids import Beginnings
from keyrelay.services.naming import (
    AmbiguousBeginning,
    AmbiguousName,
    FindIds,
    UnknownName,
    find_definition,
    find_profile,
    find_secret,
    find_trigger,
    whole_id,
)
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import id_of
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


# Ids that are cut short


def among(*ids: str, profile: str = PROFILE) -> FindIds:
    """Return what a store with these ids answers."""

    async def find(of: str, sought: Beginnings) -> Sequence[str]:
        texts = tuple(sought.texts)
        found = sorted(id_ for id_ in ids if of == profile and id_.startswith(texts))
        return found[: sought.most]

    return find


OURS = ("6745d1f0" + "a" * 16, "6745d1f0" + "b" * 16, "6745d2" + "c" * 18)
CHOSEN = ("door-17", "door-170", "door-180", "6745d3")


async def test_the_beginning_of_an_id_stands_for_it(house: House) -> None:
    secret = await house.new_secret("smtp-main")
    action = (await house.actions.create(PROFILE, mail_action(secret), ADA)).id
    policy = (await house.policies.create(PROFILE, allow("north"), ADA)).id

    for length in (4, 8, 23):
        found = await find_secret(house.secrets, PROFILE, secret[:length])
        assert secret_id_of(found) == secret
        kept = await find_definition(house.actions, PROFILE, action[:length])
        assert id_of(kept) == action
        allowing = await find_definition(house.policies, PROFILE, policy[:length])
        assert id_of(allowing) == policy


@pytest.mark.parametrize("cut", [slice(0, 3), slice(1, 9), slice(0, 0)])
async def test_less_than_four_characters_or_another_part_is_no_beginning(
    house: House, cut: slice
) -> None:
    id_ = await house.new_secret("smtp-main")

    with pytest.raises(UnknownName):
        await find_secret(house.secrets, PROFILE, id_[cut])


async def test_the_beginning_of_another_profiles_id_stands_for_nothing(
    house: House,
) -> None:
    secret = await house.new_secret("smtp-main")
    policy = (await house.policies.create(PROFILE, allow("north"), ADA)).id

    with pytest.raises(UnknownName):
        await find_secret(house.secrets, OTHER_PROFILE, secret[:8])
    with pytest.raises(UnknownName):
        await find_definition(house.policies, OTHER_PROFILE, policy[:8])


async def test_a_beginning_that_several_have_is_refused_with_them(house: House) -> None:
    ids = sorted([await house.new_secret(f"smtp-{n}") for n in range(3)])

    with pytest.raises(AmbiguousBeginning) as fault:
        await find_secret(house.secrets, PROFILE, ids[0][:4])

    assert str(fault.value) == (
        f"{ids[0][:4]!r} stands for more than one: {', '.join(ids)}; write more of the"
        " id that you mean"
    )


async def test_a_name_that_another_id_begins_with_is_refused(house: House) -> None:
    secret = await house.new_secret("smtp-main")
    named = await house.new_secret(secret[:6])
    policy = (await house.policies.create(PROFILE, allow("north"), ADA)).id
    await house.policies.create(PROFILE, allow(policy[:6]), ADA)

    with pytest.raises(AmbiguousBeginning):
        await find_secret(house.secrets, PROFILE, secret[:6])
    with pytest.raises(AmbiguousBeginning):
        await find_definition(house.policies, PROFILE, policy[:6])
    found = await find_secret(house.secrets, PROFILE, named)
    assert secret_id_of(found) == named


async def test_a_profile_is_found_by_its_name_and_by_its_id(house: House) -> None:
    main = await find_profile(house.database, "main")

    assert await find_profile(house.database, main.id) == main
    for unknown in ("nowhere", "mai", "", "6745"):
        with pytest.raises(NotFound):
            await find_profile(house.database, unknown)


async def test_an_id_of_ours_is_completed_and_a_chosen_one_is_not() -> None:
    find = among(*OURS, *CHOSEN)

    assert await whole_id(find, PROFILE, "6745d2") == OURS[2]
    assert await whole_id(find, PROFILE, OURS[0]) == OURS[0]
    # Who drops a letter twice must not drop another one's the second time.
    for given_ in ("door-18", "6745d3", "door", "674", "7777"):
        assert await whole_id(find, PROFILE, given_) == given_
    assert await whole_id(find, OTHER_PROFILE, "6745d2") == "6745d2"
    with pytest.raises(AmbiguousBeginning):
        await whole_id(find, PROFILE, "6745d1f0")


async def test_a_trigger_is_looked_at_by_the_beginning_of_any_id() -> None:
    finds = (among(*OURS), among(*CHOSEN, OURS[2]))

    assert await find_trigger(finds, PROFILE, "door-18") == "door-180"
    assert await find_trigger(finds, PROFILE, "door-17") == "door-17"
    assert await find_trigger(finds, PROFILE, "6745d2") == OURS[2]
    for unknown in ("doo", "door-2", "d\u00f6\u00f6r-17"):
        assert await find_trigger(finds, PROFILE, unknown) == unknown
    with pytest.raises(AmbiguousBeginning) as fault:
        await find_trigger(finds, PROFILE, "door-1")
    assert "door-17, door-170, door-180;" in str(fault.value)


async def test_of_many_candidates_five_are_named() -> None:
    ids = [f"6745{n:020x}" for n in range(9)]

    with pytest.raises(AmbiguousBeginning) as fault:
        await whole_id(among(*ids), PROFILE, "6745")

    assert f"{', '.join(ids[:5])} and more;" in str(fault.value)


@given(
    ids=st.sets(st.text("01", min_size=6, max_size=6), max_size=4),
    written=st.text("01", min_size=4, max_size=6),
)
async def test_what_is_completed_begins_as_it_was_written(
    ids: set[str], written: str
) -> None:
    whole = {f"{each}{'0' * 18}" for each in ids}
    alike = [each for each in whole if each.startswith(written)]

    try:
        found = await whole_id(among(*whole), PROFILE, written)
    except AmbiguousBeginning:
        assert len(alike) > 1
    else:
        assert [found] == (alike or [written])
