"""Damaged claims: whatever stands in a row, its trigger is neither lost nor repeated.

SQLite alone keeps a value of any type in any column, and text that is no UTF-8.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import select, text

from keyrelay.model.backlog import QueueQuery, TriggerState
from keyrelay.model.claim import (
    EARLIEST,
    Arrival,
    Busy,
    ClaimStatus,
    Go,
    Known,
    Withheld,
)
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Act, ActEffect
from keyrelay.stores.claims import listing
from keyrelay.stores.claims.claims import ClaimStore
from keyrelay.stores.claims.interventions import ClaimInterventions
from keyrelay.stores.schema.tables import claims as claims_table
from tests.contract.stores.claims import FIRST, LEASE, DatabaseOffice, ending, settle
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import House
from tests.contract.stores.records import record
from tests.samples import PROFILE

pytestmark = [pytest.mark.timeout(60), on_sqlite]

NO_TEXT = "CAST(x'ff61' AS TEXT)"
BYTES = "x'ff00'"
NUMBERS = (NO_TEXT, BYTES, "'many'", "''", "-1", "1.5", "x''", "99999999999")
TEXTS = (NO_TEXT, BYTES)
INSTANTS = (NO_TEXT, BYTES, "'garbage'", "''", "7", "'2026-13-01 00:00:00'")
DAMAGES: Mapping[str, tuple[str, ...]] = {
    "generation": NUMBERS,
    "sequence": NUMBERS,
    "attempts": NUMBERS,
    "cut": (NO_TEXT,),
    "done": (*TEXTS, "'words'", "'[1]'", "''"),
    "status": (*TEXTS, "'words'", "7"),
    "owner": TEXTS,
    "claimed_at": INSTANTS,
    "settled_at": INSTANTS,
    "reason": TEXTS,
    "waits_for": TEXTS,
}
EACH = [f"{column} = {each}" for column, some in DAMAGES.items() for each in some]
SECOND, THIRD = replace(FIRST, id="t2"), replace(FIRST, id="t3")
GO = Go(number=1, cut=False, done=frozenset())
BEGIN = Beginnings(texts=("t",), most=9)


async def damage(office: DatabaseOffice, column: str, id_: str = "t1") -> None:
    async with office.wires[0].writing() as connection:
        at = f"profile = '{PROFILE}' AND id = '{id_}'"
        changed = await connection.execute(
            text(f"UPDATE claims SET {column} WHERE {at}")  # noqa: S608
        )
        assert changed.rowcount == 1


async def abandon(office: DatabaseOffice, *arrivals: Arrival) -> None:
    """Claim and leave them to others."""
    async with office.open() as gone:
        await gone.claim(arrivals)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelname == "ERROR"]


async def stored(office: DatabaseOffice) -> Mapping[str, object]:
    """Return the row of the first trigger, which can be read."""
    one = select(claims_table).where(claims_table.c.id == "t1")
    async with office.wires[0].reading() as connection:
        return (await connection.execute(one)).one()._asdict()


@pytest.mark.parametrize("column", EACH)
async def test_a_damaged_claim_is_taken_over_with_a_look_at_the_trail_and_mended(
    office: DatabaseOffice,
    claims: ClaimStore,
    caplog: pytest.LogCaptureFixture,
    column: str,
) -> None:
    await abandon(office, FIRST, SECOND)
    await damage(office, column)

    judged, of_second, of_third = await claims.claim([FIRST, SECOND, THIRD])

    assert isinstance(judged, Go)
    assert (judged.cut, of_second, of_third) == (
        True,
        replace(GO, number=2, cut=True),
        GO,
    )
    assert judged.unsettled is not None, "the trail is asked"
    assert judged.unsettled.is_last
    assert judged.claimed_at is not None
    assert judged.claimed_at > EARLIEST, "the date of the message is near"
    assert messages(caplog) == ["claim cannot be read"]
    row = await stored(office)
    assert (row["status"], row["attempts"]) == ("claimed", judged.number)
    assert await claims.still_held(FIRST, judged.claimed_at)
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]
    assert await claims.claim([FIRST]) == [Known()]
    assert messages(caplog) == ["claim cannot be read"]


@pytest.mark.parametrize("instant", INSTANTS)
async def test_of_a_claim_without_its_time_all_attempts_are_asked_for_ever_after(
    office: DatabaseOffice, claims: ClaimStore, instant: str
) -> None:
    await abandon(office, FIRST)
    await damage(office, f"claimed_at = {instant}")
    await abandon(office, FIRST)

    (judged,) = await claims.claim([FIRST])
    status = await claims.status(PROFILE, "t1")

    assert isinstance(judged, Go)
    assert judged.unsettled is not None
    assert judged.unsettled.since == EARLIEST
    assert status is not None
    assert status.accepted_at is None, "nobody is told of a time that was not"


@pytest.mark.parametrize("column", [each for each in EACH if "status" not in each])
async def test_what_is_settled_or_held_stays_so_whatever_else_is_damaged(
    office: DatabaseOffice,
    claims: ClaimStore,
    people: ClaimInterventions,
    column: str,
) -> None:
    await settle(claims, FIRST)
    await people.intervene(Act.HOLD, PROFILE, ["t2"], "held")
    await people.intervene(Act.CANCEL, PROFILE, ["t3"], "cancelled")
    await people.conclude(PROFILE, ["t3"])
    for id_ in ("t1", "t2", "t3"):
        await damage(office, column, id_)

    of_settled, of_held, of_cancelled = await claims.claim([FIRST, SECOND, THIRD])

    assert (of_held, of_cancelled) == (Withheld(), Known())
    if column.startswith(("generation", "sequence")):
        # It may have been redriven since: the trail tells.
        assert isinstance(of_settled, Go)
        assert of_settled.unsettled is not None
    else:
        assert of_settled == Known()


@pytest.mark.parametrize("number", NUMBERS)
async def test_what_was_buried_and_redriven_is_not_passed_over(
    office: DatabaseOffice, claims: ClaimStore, number: str
) -> None:
    await settle(claims, FIRST, ClaimStatus.BURIED)
    await damage(office, f"generation = {number}")

    (judged,) = await claims.claim([replace(FIRST, generation=1)])

    assert isinstance(judged, Go)


@pytest.mark.parametrize(
    "column", [each for each in EACH if not each.startswith("owner")]
)
async def test_a_damaged_claim_of_a_live_worker_is_left_to_it(
    office: DatabaseOffice, claims: ClaimStore, column: str
) -> None:
    async with office.open() as others:
        await others.claim([FIRST])
        await damage(office, column)

        assert await others.still_held(FIRST, office.clock.now())
        assert await claims.claim([FIRST]) == [Busy()]
        assert await others.end([ending(FIRST, ClaimStatus.DONE)]) == [True]

    assert await claims.claim([FIRST]) == [Known()]


@pytest.mark.parametrize("column", EACH)
async def test_a_damaged_claim_is_shown_and_listed_and_hides_no_others(
    office: DatabaseOffice,
    claims: ClaimStore,
    people: ClaimInterventions,
    column: str,
) -> None:
    await abandon(office, FIRST, SECOND)
    await claims.claim([SECOND])
    await claims.end([ending(SECOND, ClaimStatus.PARKED)])
    await damage(office, column)

    status = await claims.status(PROFILE, "t1")
    listed = [each async for each in people.entries(PROFILE, QueueQuery())]

    assert status is not None
    assert status.wait.reason is not None
    assert "is damaged" in status.wait.reason
    assert [each.id for each in listed] == ["t1", "t2"]
    assert listed[0].status.wait.reason == status.wait.reason
    assert listed[1].status.state is TriggerState.WAITING
    assert await claims.state(PROFILE, "t1") is not None
    assert await claims.beginning(PROFILE, BEGIN) == ["t1", "t2"]


@pytest.mark.parametrize(
    ("act", "column"), [*product((Act.HOLD, Act.CANCEL), EACH)], ids=str
)
async def test_a_damaged_claim_is_held_or_cancelled_together_with_others(
    office: DatabaseOffice,
    claims: ClaimStore,
    people: ClaimInterventions,
    act: Act,
    column: str,
) -> None:
    await abandon(office, FIRST, SECOND)
    await damage(office, column)

    said = await people.intervene(act, PROFILE, ["t1", "t2"], "by ada")

    assert [each.effect for each in said] == [ActEffect.APPLIED] * 2
    assert said[0].cut, "its peer may have it"
    assert await claims.claim([FIRST, SECOND]) == [Withheld()] * 2
    if act is Act.CANCEL:
        await people.conclude(PROFILE, ["t1", "t2"])
        assert await claims.claim([FIRST, SECOND]) == [Known()] * 2


async def test_a_damaged_id_hides_no_others(
    office: DatabaseOffice,
    claims: ClaimStore,
    people: ClaimInterventions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "_PAGE", 2)
    some = [replace(FIRST, id=f"t{number}") for number in range(1, 6)]
    await claims.claim(some)
    for id_, broken in (("t2", "x'ff'"), ("t4", "CAST(x'74ff' AS TEXT)")):
        await damage(office, f"id = {broken}", id_)

    listed = {each.id async for each in people.entries(PROFILE, QueueQuery())}

    assert listed >= {"t1", "t3", "t5"}
    assert await claims.beginning(PROFILE, BEGIN) == ["t1", "t3", "t5"]


async def test_a_damaged_record_or_letter_hides_no_claim(
    house: House, claims: ClaimStore, people: ClaimInterventions
) -> None:
    await claims.claim([FIRST, SECOND])
    await record(house, "t1", "t2")
    await house.break_in(
        f"UPDATE audit_records SET document = {NO_TEXT} WHERE \"trigger\" = 't1'"  # noqa: S608
    )

    listed = [each async for each in people.entries(PROFILE, QueueQuery())]

    assert [each.id for each in listed] == ["t1", "t2"]
    assert listed[1].action is not None


@pytest.mark.parametrize("instant", INSTANTS)
async def test_a_worker_whose_heartbeat_is_damaged_is_dead(
    office: DatabaseOffice, claims: ClaimStore, instant: str
) -> None:
    async with office.open(stalled=True) as others:
        await others.claim([FIRST])
        async with office.wires[0].writing() as connection:
            owner = "(SELECT owner FROM claims)"
            await connection.execute(
                text(f"UPDATE workers SET alive_until = {instant} WHERE id = {owner}")  # noqa: S608
            )
        await office.pass_time(2 * LEASE)

        (judged,) = await claims.claim([FIRST])

        assert isinstance(judged, Go)
