"""Tail: each record is read once, of all chains, however late it was kept."""

from dataclasses import replace

import pytest

from keyrelay.ports import Unavailable
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.audit.tail import PAGE, AuditTail, Span
from tests.contract.stores.house import House
from tests.contract.stores.records import attempt, record
from tests.samples import DAY, NOON, OTHER_PROFILE, PROFILE


@pytest.fixture
def tail(house: House) -> AuditTail:
    return AuditTail(database=house.wire)


async def new(
    tail: AuditTail, known: dict[str, int], *profiles: str
) -> list[str | None]:
    """Return the triggers of what is new, in all chains."""
    found: list[str | None] = []
    for chain, last in (await tail.heads()).items():
        while known.get(chain, 0) < last:
            span = Span(chain=chain, after=known.get(chain, 0), last=last)
            page, known[chain] = await tail.page(span, profiles)
            for each in page:
                assert each.document is not None
                assert each.profile in profiles
                found.append(str(each.document.get("trigger")))
    return found


async def test_what_is_new_in_any_chain_is_read_once(
    house: House, neighbour: House, tail: AuditTail
) -> None:
    known = dict(await tail.heads())
    assert await new(tail, known, PROFILE) == []

    await record(house, "t1")
    await record(neighbour, "t2")
    assert sorted(map(str, await new(tail, known, PROFILE))) == ["t1", "t2"]

    # As after an outage: made long before what was read already.
    late = replace(attempt("late"), at=NOON - DAY)
    await group_commits(neighbour.audit_log).append(late)
    assert await new(tail, known, PROFILE) == ["late"]
    assert await new(tail, known, PROFILE) == []


async def test_other_profiles_records_are_passed_over(
    house: House, tail: AuditTail
) -> None:
    known, log = dict(await tail.heads()), group_commits(house.audit_log)
    many = [attempt(f"t{n}", OTHER_PROFILE) for n in range(PAGE)]
    await log.batch.run([*many, attempt("mine")])

    assert await new(tail, dict(known), PROFILE) == ["mine"]
    assert len(await new(tail, dict(known), PROFILE, OTHER_PROFILE)) == PAGE + 1
    assert await new(tail, known) == []


async def test_a_record_that_cannot_be_read_hides_no_others(
    house: House, tail: AuditTail
) -> None:
    known = dict(await tail.heads())
    await record(house, "t1", "t2", "t3")
    await house.break_in(
        "UPDATE audit_records SET document = 'nonsense' WHERE trigger = 't2'"
    )

    heads, documents = await tail.heads(), list[object]()
    for chain, last in heads.items():
        span = Span(chain=chain, after=known.get(chain, 0), last=last)
        page, reached = await tail.page(span, [PROFILE])
        assert reached == last
        documents += [each.document and each.document["trigger"] for each in page]

    assert documents == ["t1", None, "t3"]


async def test_while_the_database_is_away_it_says_so(
    house: House, tail: AuditTail
) -> None:
    house.wire.cut.add("reading")

    with pytest.raises(Unavailable):
        await tail.heads()
