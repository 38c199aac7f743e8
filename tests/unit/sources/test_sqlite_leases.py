"""The embedded queue: leases it keeps and loses, and what can be seen of it."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.concurrency.batching import Batch
from keyrelay.model.backlog import (
    NO_WAIT,
    Depth,
    QueueStatus,
    TriggerState,
    TriggerWait,
)
from keyrelay.model.settlement import Done, TryAgain
from keyrelay.ports import Unavailable
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.sources.sqlite.rows import SqliteLoan
from tests.contract.queues import BURY, LEASE, SECOND, UntilIdle, a_world, trigger
from tests.fakes import Clock
from tests.samples import DAY, NOON, OTHER_PROFILE, PROFILE

pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


# Leases


async def test_a_lost_lease_is_told_once_when_it_is_to_be_renewed(
    queue: SqliteQueue,
    beside: sqlite3.Connection,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    beside.execute("UPDATE triggers SET token = 'of another'")

    for _ in range(2):
        await clock.pass_time(LEASE / 3)

    assert messages(caplog) == ["lease lost"]
    assert held is not None


async def test_a_process_that_slept_renews_before_it_leases(
    path: Path, clock: Clock
) -> None:
    world = replace(a_world(clock), sleep=_forever)
    async with open_queue(path, world) as queue:
        await queue.accept(trigger())
        held = await queue.lease(asyncio.Event())

        clock.time += 10 * LEASE

        assert await queue.lease(UntilIdle()) is None
        assert held is not None


async def test_after_a_renewal_that_failed_nothing_of_ours_is_lent_again(
    queue: SqliteQueue, beside: sqlite3.Connection, clock: Clock
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    beside.execute("BEGIN IMMEDIATE")
    for _ in range(4):
        await clock.pass_time(LEASE / 3)

    beside.execute("ROLLBACK")

    assert await queue.lease(UntilIdle()) is None
    assert held is not None


async def test_what_cannot_be_settled_yet_is_still_renewed(
    queue: SqliteQueue, beside: sqlite3.Connection, clock: Clock
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    assert held is not None
    beside.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await held.settle(Done())
    beside.execute("ROLLBACK")

    for _ in range(4):
        await clock.pass_time(LEASE / 3)

    assert await queue.lease(UntilIdle()) is None
    await held.settle(Done())
    status = await queue.status(PROFILE, trigger().id)
    assert status is not None
    assert status.state is TriggerState.DONE


async def _forever(_: timedelta) -> None:
    await asyncio.Event().wait()


async def test_a_lost_lease_is_told_when_it_is_settled(
    queue: SqliteQueue,
    beside: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    assert held is not None
    beside.execute("UPDATE triggers SET token = 'of another'")

    await held.settle(Done())

    assert messages(caplog) == ["lease lost"]
    assert beside.execute("SELECT token FROM triggers").fetchone() == ("of another",)


async def test_a_settled_lease_is_not_told_lost(
    queue: SqliteQueue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    assert held is not None

    settling = asyncio.create_task(held.settle(Done()))
    for _ in range(2):
        await clock.pass_time(LEASE / 3)
    await settling
    await clock.pass_time(LEASE / 3)

    assert messages(caplog) == []


async def test_a_lease_that_could_not_be_settled_is_kept_alive(
    queue: SqliteQueue, beside: sqlite3.Connection, clock: Clock
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())
    assert held is not None
    beside.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await held.settle(Done())
    beside.execute("ROLLBACK")

    await clock.pass_time(LEASE / 3)
    clock.time += LEASE - SECOND

    assert (await queue.depth()).due == 0


async def test_what_is_accepted_before_a_lane_has_fallen_asleep_wakes_it(
    queue: SqliteQueue,
) -> None:
    operations = queue._operations

    async def lend_and_then_accept(
        asked: Sequence[None],
    ) -> Sequence[SqliteLoan | None]:
        loans = await operations.lend(asked)
        await operations.accept([trigger()])
        return loans

    hurried = replace(queue, _loans=Batch(run=lend_and_then_accept, most=1))

    assert await hurried.lease(asyncio.Event()) is not None


# Inspection


async def test_a_trigger_can_be_followed(queue: SqliteQueue, clock: Clock) -> None:
    await queue.accept(trigger())
    seen = [await queue.status(PROFILE, "t1")]
    for settlement in (TryAgain(after=DAY, reason="busy"), BURY):
        clock.time += DAY
        lease = await queue.lease(asyncio.Event())
        assert lease is not None
        seen.append(await queue.status(PROFILE, "t1"))
        await lease.settle(settlement)
        seen.append(await queue.status(PROFILE, "t1"))

    at = QueueStatus(
        state=TriggerState.WAITING,
        attempts=0,
        accepted_at=NOON,
        wait=TriggerWait(due=NOON),
        settled_at=None,
    )
    day1, day2 = NOON + DAY, NOON + 2 * DAY
    first, second = TriggerWait(due=day1 + LEASE), TriggerWait(due=day2, reason="busy")
    leased = replace(at, state=TriggerState.LEASED, attempts=1, wait=first)
    retrying = replace(at, state=TriggerState.RETRYING, attempts=1, wait=second)
    last = replace(leased, attempts=2, wait=replace(second, due=day2 + LEASE))
    buried = replace(last, state=TriggerState.BURIED, wait=NO_WAIT, settled_at=day2)
    assert seen == [at, leased, retrying, last, buried]


async def test_a_delivered_trigger_is_done(queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    await lease.settle(Done())

    status = await queue.status(PROFILE, "t1")

    assert status is not None
    assert status.state == TriggerState.DONE


async def test_another_profiles_trigger_is_not_seen(queue: SqliteQueue) -> None:
    await queue.accept(trigger(profile=OTHER_PROFILE))

    assert await queue.status(PROFILE, "t1") is None


async def test_depth_tells_waiting_due_and_leased_apart(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, a_world(clock), SqliteOptions(ordered=True)) as queue:
        empty = await queue.depth()
        for id_, key in (("t1", None), ("t2", "boiler"), ("t3", "boiler")):
            await queue.accept(trigger(id_, key=key))
        held = await queue.lease(asyncio.Event())
        clock.time += SECOND

        assert empty == Depth(waiting=0, due=0, leased=0, age=timedelta())
        assert await queue.depth() == Depth(waiting=2, due=1, leased=1, age=SECOND)
        assert held is not None


@pytest.mark.parametrize(
    ("poll", "lease"),
    [(timedelta(), LEASE), (LEASE, LEASE), (-SECOND, timedelta())],
    ids=["polls without a pause", "polls too late", "no lease"],
)
def test_impossible_options_are_refused(poll: timedelta, lease: timedelta) -> None:
    with pytest.raises(ValueError, match="0 < poll < lease"):
        SqliteOptions(poll=poll, lease=lease)
