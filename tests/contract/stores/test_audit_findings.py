"""A broken trail is followed past its first breach: all that is wrong is found."""

import pytest

from keyrelay.stores.audit.chain import Breach
from keyrelay.stores.audit.verification import Tally
from tests.contract.stores.ground import Ground, on_sqlite
from tests.contract.stores.house import open_house
from tests.contract.stores.test_audit_trail import (
    FIRST,
    SECOND,
    THIRD,
    edit,
    forget,
    remove,
    three_chains,
)
from tests.samples import PROFILE

ALTERED = edit("document", "replace(document, '250', '251')", seq=4)
LATER = edit("document", "replace(document, '250', '251')", seq=6)


async def found_after(
    ground: Ground, *statements: str, forged: bool = False
) -> list[Breach]:
    await three_chains(ground)
    async with open_house(ground) as house:
        await house.break_in(*statements)
        if forged:
            house.audit_log.checkpoint.path.write_text("forged")
        return [breach async for breach in house.trail.breaches(Tally())]


async def test_in_a_whole_trail_nothing_is_found(ground: Ground) -> None:
    assert await found_after(ground) == []


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([ALTERED, LATER], [(4, PROFILE), (6, PROFILE)]),
        ([remove(FIRST, 4), LATER], [(4, None), (6, PROFILE)]),
        ([edit("mac", "x'00'", seq=4)], [(4, PROFILE), (5, PROFILE)]),
        ([edit("profile", "'x'", seq=4), LATER], [(4, PROFILE), (6, PROFILE)]),
        ([remove(FIRST, 7), remove(SECOND, 1)], [(7, None), (7, None), (1, None)]),
        ([ALTERED, remove(THIRD, 2)], [(4, PROFILE), (2, None), (2, None)]),
        ([ALTERED, *forget(SECOND)], [(4, PROFILE), (0, None)]),
    ],
    ids=[
        "two edited",
        "one missing and one edited",
        "a seal",
        "a column and a document",
        "missing in two chains, the first one's end told by the next",
        "edited and cut off, the end told by the checkpoint",
        "edited and a chain gone",
    ],
)
async def test_each_breach_is_told_where_it_is_and_whose_record_it_is(
    ground: Ground, statements: list[str], found: list[tuple[int, str | None]]
) -> None:
    breaches = await found_after(ground, *statements)

    assert [(each.seq, each.profile) for each in breaches] == found


@on_sqlite
async def test_a_record_that_cannot_be_read_hides_no_later_breach(
    ground: Ground,
) -> None:
    breaches = await found_after(ground, edit("document", "x'ff'", seq=4), LATER)

    assert [(each.seq, each.what, each.profile) for each in breaches] == [
        (4, "it cannot be read", PROFILE),
        (6, "it was edited, moved here or put in", PROFILE),
    ]


@on_sqlite
async def test_a_chain_that_cannot_be_read_hides_no_other(ground: Ground) -> None:
    breaches = await found_after(
        ground,
        "UPDATE audit_chains SET head_mac = 1 WHERE number = 1",
        edit("document", "'{}'", SECOND, 2),
    )

    assert breaches[0].what == "it cannot be read"
    assert "it belongs to no chain" in {each.what for each in breaches}


async def test_a_forged_checkpoint_hides_no_breach(ground: Ground) -> None:
    breaches = await found_after(ground, ALTERED, forged=True)

    assert "was altered: keep it as evidence" in breaches[0].what
    assert [each.seq for each in breaches[1:]] == [4]
