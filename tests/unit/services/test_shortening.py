"""Shortening: what is shown of an id stands for it, and for nothing else."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.ids import Beginnings
from keyrelay.services.naming import FindIds, whole_id
from keyrelay.services.shortening import short_ids
from tests.samples import PROFILE


def among(ids: Sequence[str]) -> FindIds:
    async def find(_: str, sought: Beginnings) -> Sequence[str]:
        texts = tuple(sought.texts)
        return sorted(id_ for id_ in ids if id_.startswith(texts))[: sought.most]

    return find


def an_id(beginning: str) -> str:
    return beginning.ljust(24, "0")


async def test_an_id_is_cut_as_far_as_it_is_alone() -> None:
    ids = [an_id("6745d1f0aa"), an_id("6745d1f0ab"), an_id("7745")]

    cut = await short_ids(among(ids), PROFILE, ids, 8)

    assert cut == {id_: id_[:10] for id_ in ids}


async def test_others_of_the_profile_that_are_not_shown_count_too() -> None:
    shown, other = an_id("6745d1f0aa"), an_id("6745d1f0ab")

    assert await short_ids(among([shown, other]), PROFILE, [shown], 8) == {
        shown: shown[:10]
    }
    assert await short_ids(among([shown]), PROFILE, [shown], 8) == {shown: shown[:8]}


async def test_what_differs_in_its_end_alone_and_what_a_producer_chose_stay() -> None:
    ids = [f"{'a' * 23}{digit}" for digit in "01"]

    cut = await short_ids(among(ids), PROFILE, [*ids, "door-17", ""], 8)

    assert cut == {id_: id_ for id_ in ids}


async def test_many_ids_are_looked_up_in_parts() -> None:
    ids = [f"{number:08x}{'0' * 16}" for number in range(1000)]

    cut = await short_ids(among(ids), PROFILE, ids, 8)

    assert cut == {id_: id_[:8] for id_ in ids}


@given(
    kept=st.sets(st.text("01", min_size=6, max_size=6), min_size=1, max_size=9),
    data=st.data(),
)
async def test_what_is_cut_is_completed_to_what_it_was(
    kept: set[str], data: st.DataObject
) -> None:
    ids = [f"6745{each}{'0' * 14}" for each in kept]
    shown = data.draw(st.lists(st.sampled_from(ids)))
    find = among([*ids, "6745-door", "67"])

    cut = await short_ids(find, PROFILE, shown, 4)

    assert cut.keys() == set(shown)
    for whole, short in cut.items():
        assert await whole_id(find, PROFILE, short) == whole
