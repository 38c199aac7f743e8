"""Claims in both databases, when the database, an answer or a worker is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from keyrelay.model.claim import Busy, ClaimStatus, Go, Known
from keyrelay.ports import Unavailable
from keyrelay.stores.claims.claims import ClaimOptions, ClaimStore
from tests.contract.stores.claims import (
    FIRST,
    LEASE,
    DatabaseOffice,
    ending,
    known,
    settle,
)
from tests.contract.stores.ground import on_postgresql
from tests.fakes import Clock
from tests.samples import DAY, NOON, PROFILE
from tests.services.postgresql import PostgreSql

pytestmark = pytest.mark.timeout(60)

MINUTE = timedelta(minutes=1)
GO = Go(number=1, cut=False, done=frozenset())
CUT = Go(number=2, cut=True, done=frozenset())


@pytest.fixture
async def others(
    office: DatabaseOffice, claims: ClaimStore
) -> AsyncIterator[ClaimStore]:
    """Those of another worker, which is in touch for so long that it knows the dead."""
    async with office.open() as others:
        await office.pass_time(2 * LEASE)
        yield others


async def outage(office: DatabaseOffice, time: timedelta) -> None:
    """Return right after it: no worker has done anything yet."""
    for wire in office.wires:
        wire.cut.add("there")
    await office.pass_time(time)
    for wire in office.wires:
        wire.cut.clear()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


# The database is away


async def test_while_the_database_is_away_nothing_is_claimed(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    office.wires[0].cut.add("there")

    with pytest.raises(Unavailable):
        await claims.claim([FIRST])
    with pytest.raises(Unavailable):
        await claims.end([ending(FIRST, ClaimStatus.DONE)])

    office.wires[0].cut.clear()
    assert await claims.claim([FIRST]) == [GO]


async def test_after_an_outage_no_worker_takes_claims_of_live_ones(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    await claims.claim([FIRST])

    await outage(office, 3 * LEASE)

    assert await others.claim([FIRST]) == [Busy()]
    await office.pass_time(2 * LEASE)
    assert await others.claim([FIRST]) == [Busy()]
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]


async def test_a_worker_that_starts_after_an_outage_takes_no_claims_of_live_ones(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    await claims.claim([FIRST])
    await outage(office, 3 * LEASE)

    async with office.open(stalled=True) as fresh:
        assert await fresh.claim([FIRST]) == [Busy()]


async def test_a_worker_that_died_in_an_outage_is_known_to_be_dead_a_lease_later(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    async with office.open(stalled=True) as dead:
        await dead.claim([FIRST])
        await outage(office, 3 * LEASE)

        soon = await claims.claim([FIRST])
        await office.pass_time(LEASE / 2)
        later = await claims.claim([FIRST])
        await office.pass_time(LEASE)

        assert (soon, later) == ([Busy()], [Busy()])
        assert await claims.claim([FIRST]) == [CUT]


async def test_a_worker_without_a_heartbeat_for_less_than_a_lease_is_alive(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    await claims.claim([FIRST])
    office.wires[0].cut.add("there")

    await office.pass_time(LEASE * 2 / 3)

    assert await others.claim([FIRST]) == [Busy()]


async def test_a_heartbeat_that_failed_is_soon_tried_again(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    await claims.claim([FIRST])
    office.wires[0].cut.add("there")
    await office.pass_time(LEASE * 2 / 3)
    office.wires[0].cut.clear()
    await office.pass_time(LEASE / 30)
    office.wires[0].cut.add("there")

    await office.pass_time(LEASE * 2 / 3)

    assert await others.claim([FIRST]) == [Busy()]


@on_postgresql
async def test_a_worker_whose_clock_is_behind_is_not_dead_for_it(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    behind = DatabaseOffice(ground=office.ground, clock=Clock(time=NOON - DAY))
    behind.world = replace(behind.world, new_id=lambda _: "f" * 24)
    async with behind.open() as late:
        await late.claim([FIRST])

        assert await others.claim([FIRST]) == [Busy()]
    assert claims is not None


async def test_an_outage_is_logged(
    office: DatabaseOffice, claims: ClaimStore, caplog: pytest.LogCaptureFixture
) -> None:
    await outage(office, LEASE / 3)

    assert messages(caplog) == ["claims not renewed"]
    assert claims is not None


async def test_a_worker_that_cannot_sign_off_closes_all_the_same(
    office: DatabaseOffice, claims: ClaimStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with office.open() as gone:
        await gone.claim([FIRST])
        office.wires[1].cut.add("there")

    assert messages(caplog) == ["worker not signed off"]
    assert await claims.claim([FIRST]) == [Busy()]


@on_postgresql
async def test_after_a_restart_of_the_server_no_worker_takes_claims_of_live_ones(
    office: DatabaseOffice,
    claims: ClaimStore,
    others: ClaimStore,
    postgresql: PostgreSql,
) -> None:
    await claims.claim([FIRST])
    await asyncio.to_thread(postgresql.stop)
    with pytest.raises(Unavailable):
        await others.claim([FIRST])
    office.clock.time += 2 * LEASE
    await asyncio.to_thread(postgresql.start)
    await office.expire(2 * LEASE)

    assert await others.claim([FIRST]) == [Busy()]
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]


# The process is asleep


async def test_a_worker_that_was_asleep_writes_a_heartbeat_before_it_claims(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    async with office.open(stalled=True) as asleep:
        await office.pass_time(2 * LEASE)

        await asleep.claim([FIRST])

        assert await others.claim([FIRST]) == [Busy()]
    assert claims is not None


async def test_a_worker_that_is_slow_still_knows_the_dead(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    async with office.open(stalled=True) as dead:
        await dead.claim([FIRST])
        for _ in range(5):
            await office.expire(LEASE / 2)
            await office.clock.pass_time(LEASE / 2)

        assert await claims.claim([FIRST]) == [CUT]


async def test_a_worker_that_was_asleep_takes_no_other_for_dead(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    async with office.open(stalled=True) as dead, office.open(stalled=True) as asleep:
        await dead.claim([FIRST])
        await office.pass_time(2 * LEASE)

        assert await asleep.claim([FIRST]) == [Busy()]
    assert claims is not None


async def test_a_worker_that_waited_long_for_an_answer_takes_no_other_for_dead(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    await office.pass_time(2 * LEASE)
    before = claims._heartbeat.can_judge_others()

    office.clock.time += LEASE

    assert (before, claims._heartbeat.can_judge_others()) == (True, False)


async def test_without_its_upkeep_nothing_is_claimed_any_more(
    office: DatabaseOffice,
) -> None:
    async def claim_without_upkeep() -> None:
        async with office.open() as claims:
            await rename(office, "workers", "colleagues")
            office.clock.advance(LEASE / 3)
            await asyncio.wait([claims._upkeep])
            await rename(office, "colleagues", "workers")

            with pytest.raises(BaseExceptionGroup):
                await claims.claim([FIRST])

    with pytest.raises(BaseExceptionGroup):
        await claim_without_upkeep()


async def rename(office: DatabaseOffice, table: str, name: str) -> None:
    async with office.wires[0].writing() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")


# The answer is lost


async def test_a_claim_without_an_answer_is_the_same_attempt_when_repeated(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    office.wires[0].cut.add("back")
    with pytest.raises(Unavailable):
        await claims.claim([FIRST])
    office.wires[0].cut.clear()

    assert await others.claim([FIRST]) == [Busy()]
    assert await claims.claim([FIRST]) == [GO]
    await office.pass_time(LEASE)
    assert await others.claim([FIRST]) == [Busy()]


async def test_a_claim_without_an_answer_is_soon_left_to_others(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    office.wires[0].cut.add("back")
    with pytest.raises(Unavailable):
        await claims.claim([FIRST])
    office.wires[0].cut.clear()

    await office.pass_time(LEASE / 3)

    assert await others.claim([FIRST]) == [GO]
    assert await claims.claim([FIRST]) == [Busy()]


async def test_a_worker_that_claims_in_vain_keeps_what_it_holds(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    other = replace(FIRST, id="t2")
    await claims.claim([FIRST])
    office.wires[0].cut.add("back")
    with pytest.raises(Unavailable):
        await claims.claim([FIRST, other])
    office.wires[0].cut.clear()

    await office.pass_time(LEASE / 3)

    assert await others.claim([FIRST, other]) == [Busy(), GO]
    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [True]


async def test_a_takeover_without_an_answer_is_still_marked_as_cut(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    async with office.open() as gone:
        await gone.claim([FIRST])
    office.wires[0].cut.add("back")
    with pytest.raises(Unavailable):
        await claims.claim([FIRST])
    office.wires[0].cut.clear()

    await office.pass_time(LEASE / 3)

    assert await others.claim([FIRST]) == [CUT]


async def test_an_end_without_an_answer_has_happened(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    await claims.claim([FIRST])
    office.wires[0].cut.add("back")
    with pytest.raises(Unavailable):
        await claims.end([ending(FIRST, ClaimStatus.DONE)])
    office.wires[0].cut.clear()

    assert await claims.end([ending(FIRST, ClaimStatus.DONE)]) == [False]
    assert await others.claim([FIRST]) == [Known()]


# Somebody is in the way


@on_postgresql
async def test_what_another_writes_at_this_moment_is_not_waited_for(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    parked, free = replace(FIRST, id="t1"), replace(FIRST, id="t2")
    await claims.claim([parked, free])
    await claims.end(
        [ending(parked, ClaimStatus.PARKED), ending(free, ClaimStatus.PARKED)]
    )

    async with office.wires[0].transaction() as connection:
        await connection.exec_driver_sql(
            "SELECT FROM claims WHERE id = 't1' FOR UPDATE"
        )
        meanwhile = await claims.claim([parked, free])

    assert meanwhile == [Busy(), GO]
    assert await claims.claim([parked]) == [GO]


@on_postgresql
async def test_what_another_forgets_this_moment_is_left_to_it(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    other = replace(FIRST, id="t2")
    await settle(claims, FIRST)
    await settle(claims, other)

    async with office.wires[0].transaction() as connection:
        await connection.exec_driver_sql(
            "SELECT FROM claims WHERE id = 't1' FOR UPDATE"
        )
        await pass_days(office, DAY + 2 * MINUTE)
        seen = [await claims.state(PROFILE, id_) for id_ in ("t1", "t2")]

    assert [state is None for state in seen] == [False, True]


# Forgetting


@pytest.mark.parametrize("status", [ClaimStatus.DONE, ClaimStatus.BURIED])
async def test_what_was_settled_longer_ago_than_the_window_is_forgotten(
    office: DatabaseOffice, claims: ClaimStore, status: ClaimStatus
) -> None:
    await settle(claims, FIRST, status)

    await pass_days(office, DAY - 2 * MINUTE)
    before = await claims.claim([FIRST])
    await pass_days(office, 4 * MINUTE)

    assert before == [Known()]
    assert await claims.claim([FIRST]) == [GO]


async def test_more_than_one_step_is_forgotten_at_once(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    many = [replace(FIRST, id=f"t{number}") for number in range(2500)]
    await claims.claim(many)
    await claims.end([ending(each, ClaimStatus.DONE) for each in many])

    await pass_days(office, DAY + 2 * MINUTE)

    async with office.wires[0].reading() as connection:
        left = await connection.exec_driver_sql("SELECT count(*) FROM claims")
        assert left.scalar_one() == 0


@pytest.mark.parametrize("status", [None, ClaimStatus.PARKED])
async def test_what_is_not_settled_is_never_forgotten(
    office: DatabaseOffice, claims: ClaimStore, status: ClaimStatus | None
) -> None:
    await claims.claim([FIRST])
    if status is not None:
        await claims.end([ending(FIRST, status)])

    await pass_days(office, 3 * DAY)

    assert (await known(claims)).status is status or ClaimStatus.CLAIMED


async def test_after_days_away_nothing_is_forgotten_before_the_log_was_read(
    office: DatabaseOffice,
) -> None:
    async with office.open() as before:
        await settle(before, FIRST)
    office.clock.advance(3 * DAY)

    async with office.open() as back:
        await office.pass_time(30 * MINUTE)
        assert await back.claim([FIRST]) == [Known()]
        await office.pass_time(32 * MINUTE)
        assert await back.claim([FIRST]) == [GO]


async def test_an_outage_ends_no_forgetting(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    await settle(claims, FIRST)
    office.wires[0].cut.add("there")
    await pass_days(office, DAY)
    office.wires[0].cut.clear()

    await office.pass_time(2 * MINUTE)

    assert await claims.claim([FIRST]) == [GO]


async def test_a_worker_that_was_cut_off_for_longer_than_the_window_comes_back(
    office: DatabaseOffice, claims: ClaimStore, others: ClaimStore
) -> None:
    await claims.claim([FIRST])
    office.wires[0].cut.add("there")
    await pass_days(office, 3 * DAY)
    office.wires[0].cut.clear()

    await office.pass_time(LEASE / 3)

    assert await others.claim([FIRST]) == [Busy()]


async def test_workers_that_died_long_ago_are_forgotten(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    async with office.open():
        office.wires[1].cut.add("there")

    await pass_days(office, DAY + 2 * MINUTE)

    async with office.wires[0].reading() as connection:
        left = await connection.exec_driver_sql("SELECT count(*) FROM workers")
        assert left.scalar_one() == 1
    assert claims is not None


async def pass_days(office: DatabaseOffice, time: timedelta) -> None:
    """Pass much time in few steps."""
    await office.expire(time - 2 * MINUTE)
    await office.clock.pass_time(time - 2 * MINUTE)
    await office.pass_time(2 * MINUTE)


@pytest.mark.parametrize("terms", ["lease", "window"])
def test_there_are_no_claims_without_a_lease_and_a_window(terms: str) -> None:
    with pytest.raises(ValueError, match="claims need a lease and a window"):
        ClaimOptions(**{terms: timedelta()})


# A row that cannot be read

DAMAGES = [
    "status = 'words'",
    "status = ''",
    "done = 'words'",
    "done = '5'",
    "done = '[[1]]'",
    "done = '{\"a\": 1}'",
    "done = ''",
    "status = 'words', done = '{'",
]


async def damage(office: DatabaseOffice, column: str) -> None:
    async with office.wires[0].writing() as connection:
        at = f"profile = '{PROFILE}' AND id = 't1'"
        await connection.execute(text(f"UPDATE claims SET {column} WHERE {at}"))  # noqa: S608


@pytest.mark.parametrize("column", DAMAGES)
async def test_a_claim_that_cannot_be_read_is_taken_over_with_a_look_at_the_trail(
    office: DatabaseOffice,
    claims: ClaimStore,
    caplog: pytest.LogCaptureFixture,
    column: str,
) -> None:
    async with office.open() as gone:
        await gone.claim([FIRST])
    await damage(office, column)
    other = replace(FIRST, id="t2")

    judged, new = await claims.claim([FIRST, other])

    assert (judged, new) == (CUT, GO)
    assert isinstance(judged, Go)
    assert judged.unsettled is not None
    assert judged.unsettled.is_last
    assert messages(caplog) == ["claim cannot be read"]
    assert (await known(claims)).arrival.done == frozenset(), "it is written anew"
    await claims.end([ending(FIRST, ClaimStatus.DONE)])
    assert await claims.claim([FIRST]) == [Known()]
    assert messages(caplog) == ["claim cannot be read"]


async def test_what_was_settled_and_cannot_be_read_is_not_forgotten_as_settled(
    office: DatabaseOffice, claims: ClaimStore
) -> None:
    await settle(claims, FIRST)

    await damage(office, "done = 'words'")
    assert await claims.claim([FIRST]) == [Known()]
    await damage(office, "status = 'words'")
    (again,) = await claims.claim([FIRST])

    assert isinstance(again, Go)
    assert again.unsettled is not None, "the trail says that it is done"


@pytest.mark.parametrize("column", DAMAGES)
async def test_the_status_of_a_claim_that_cannot_be_read_is_shown(
    office: DatabaseOffice, claims: ClaimStore, column: str
) -> None:
    await claims.claim([FIRST])
    await damage(office, column)

    assert await claims.status(PROFILE, "t1") is not None
    assert await claims.state(PROFILE, "t1") is not None
