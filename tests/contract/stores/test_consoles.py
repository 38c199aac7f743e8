"""Consoles: the last lines of each analysis, in order, whoever adds them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from keyrelay.model.audit_document import printable
from keyrelay.model.console import LONGEST_LINE, ConsoleLine, PlacedLine
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.consoles import KEPT_BYTES, KEPT_LINES, ConsoleStore
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House
from tests.contract.stores.test_analyses import new_analysis
from tests.samples import NOON, OTHER_PROFILE, PROFILE

UNKNOWN = "0" * 24


def printed(*texts: str) -> Sequence[ConsoleLine]:
    return [
        ConsoleLine(at=NOON + timedelta(milliseconds=n), text=text)
        for n, text in enumerate(texts)
    ]


async def kept(house: House, analysis: str) -> Sequence[str]:
    return (await house.consoles.lines(PROFILE, [analysis]))[analysis]


async def test_a_new_analysis_has_no_lines(house: House) -> None:
    id_ = await new_analysis(house)

    assert await house.consoles.lines(PROFILE, [id_]) == {id_: []}
    assert await house.consoles.after(PROFILE, id_, 0) == []
    assert await house.consoles.end(PROFILE, id_) == 0
    assert await house.consoles.ends([id_]) == {}


async def test_lines_are_kept_in_the_order_in_which_they_came(house: House) -> None:
    id_, other = await new_analysis(house), await new_analysis(house, "other")
    late, early = printed("early", "late")[::-1]

    assert await house.consoles.append(PROFILE, id_, [late, early])
    assert await house.consoles.append(PROFILE, other, printed("theirs"))
    assert await house.consoles.append(PROFILE, id_, printed("", "last"))

    assert await house.consoles.lines(PROFILE, [id_, other]) == {
        id_: ["late", "early", "", "last"],
        other: ["theirs"],
    }
    assert await house.consoles.ends([id_, other]) == {id_: 4, other: 1}


async def test_what_is_behind_a_place_is_followed(house: House) -> None:
    id_ = await new_analysis(house)
    await house.consoles.append(PROFILE, id_, printed("a", "b"))
    place = await house.consoles.end(PROFILE, id_)

    assert await house.consoles.after(PROFILE, id_, place) == []
    (line,) = printed("c")
    await house.consoles.append(PROFILE, id_, [line])

    assert await house.consoles.after(PROFILE, id_, place) == [
        PlacedLine(place=3, line=line)
    ]
    assert len(await house.consoles.after(PROFILE, id_, 0)) == 3


async def test_another_profile_has_no_such_analysis(house: House) -> None:
    id_ = await new_analysis(house)
    await house.consoles.append(PROFILE, id_, printed("mine"))

    assert not await house.consoles.append(OTHER_PROFILE, id_, printed("theirs"))
    assert not await house.consoles.append(PROFILE, UNKNOWN, printed("nobody's"))

    assert await house.consoles.lines(OTHER_PROFILE, [id_]) == {id_: []}
    assert await kept(house, id_) == ["mine"]
    for profile, analysis in ((OTHER_PROFILE, id_), (PROFILE, UNKNOWN)):
        with pytest.raises(NotFound):
            await house.consoles.after(profile, analysis, 0)
        with pytest.raises(NotFound):
            await house.consoles.end(profile, analysis)


async def test_the_last_200_lines_are_kept_and_counted_on(house: House) -> None:
    id_ = await new_analysis(house)
    texts = [str(n) for n in range(3 * KEPT_LINES)]
    await house.consoles.append(PROFILE, id_, printed(*texts[:150]))
    await house.consoles.append(PROFILE, id_, printed(*texts[150:250]))

    assert await kept(house, id_) == texts[50:250]

    # More at once than is kept: those in between have places, and no rows.
    await house.consoles.append(PROFILE, id_, printed(*texts[250:]))

    assert await kept(house, id_) == texts[-KEPT_LINES:]
    found = await house.consoles.after(PROFILE, id_, 250)
    assert [each.place for each in found] == [*range(401, 601)]
    assert len(await house.look("SELECT 1 FROM console_lines")) == KEPT_LINES


async def test_the_last_64_kib_are_kept_and_a_line_has_8_at_most(house: House) -> None:
    id_ = await new_analysis(house)
    long = "é" * LONGEST_LINE

    await house.consoles.append(PROFILE, id_, printed(*["x" * LONGEST_LINE] * 20, long))

    texts = await kept(house, id_)
    sizes = [len(each.encode()) for each in texts]
    assert (len(texts), texts[-1][-1]) == (8, "…")
    assert max(sizes) <= LONGEST_LINE
    assert KEPT_BYTES - LONGEST_LINE < sum(sizes) <= KEPT_BYTES


async def test_what_no_database_takes_is_made_printable(house: House) -> None:
    id_ = await new_analysis(house)
    odd = "nul \0 half \ud800 red \x1b[31m left \u202e"
    fine = "tab\tline\nfamily \N{MAN}\u200d\N{BOY} blank\u00a0漢"

    await house.consoles.append(PROFILE, id_, printed(odd, fine, "two\r\nlines\r"))

    assert await kept(house, id_) == [printable(odd), fine, "two\nlines\\u{d}"]


async def test_a_deleted_analysis_takes_its_lines_with_it(house: House) -> None:
    id_ = await new_analysis(house)
    await house.consoles.append(PROFILE, id_, printed("a"))

    await house.analyses.documents.delete(PROFILE, id_, ADA)

    assert await house.look("SELECT * FROM console_lines") == []
    assert not await house.consoles.append(PROFILE, id_, printed("b"))


async def test_processes_that_add_lines_at_once_lose_none(
    house: House, neighbour: House
) -> None:
    id_ = await new_analysis(house)
    texts = [[f"{process}{n}" for n in range(40)] for process in ("a", "b")]

    async def add(store: ConsoleStore, mine: Sequence[str]) -> None:
        for text in mine:
            assert await store.append(PROFILE, id_, printed(text))

    await asyncio.gather(
        *(
            add(each.consoles, mine)
            for each, mine in zip((house, neighbour), texts, strict=True)
        )
    )

    found = await kept(house, id_)
    assert [each for each in found if each[0] == "a"] == texts[0]
    assert [each for each in found if each[0] == "b"] == texts[1]
    assert await house.consoles.end(PROFILE, id_) == 80


async def test_nothing_of_a_console_is_in_the_audit(house: House) -> None:
    id_ = await new_analysis(house)
    before = await house.trail.list(PROFILE, AuditQuery())

    await house.consoles.append(PROFILE, id_, printed("canary-71c3"))

    assert await house.trail.list(PROFILE, AuditQuery()) == before


async def test_a_full_disk_keeps_no_line_of_a_batch(house: House) -> None:
    id_ = await new_analysis(house)
    await house.consoles.append(PROFILE, id_, printed("before"))
    await house.break_in("UPDATE console_lines SET size = 64000")
    await house.refuse_rows("console_lines")

    with pytest.raises(Exception, match=r"full"):
        await house.consoles.append(PROFILE, id_, printed("x" * 8000))

    assert await kept(house, id_) == ["before"]


async def test_while_the_database_is_away_it_says_so(house: House) -> None:
    id_ = await new_analysis(house)
    house.wire.cut.update({"reading", "there"})
    consoles = ConsoleStore(database=house.wire)

    with pytest.raises(Unavailable):
        await consoles.append(PROFILE, id_, printed("a"))
    with pytest.raises(Unavailable):
        await consoles.lines(PROFILE, [id_])


@on_sqlite
async def test_a_line_that_cannot_be_read_hides_no_others(house: House) -> None:
    id_ = await new_analysis(house)
    await house.consoles.append(PROFILE, id_, printed("a", "b", "c"))
    await house.break_in("UPDATE console_lines SET text = x'ff' WHERE number = 2")

    assert await kept(house, id_) == ["a", "c"]
    assert await house.consoles.append(PROFILE, id_, printed("d"))
