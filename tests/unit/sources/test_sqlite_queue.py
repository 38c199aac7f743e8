"""The embedded queue: its file, its refusals, and what it says in the log."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.databases.sqlite import connect
from keyrelay.model.settlement import LONGEST_WAIT, Done, Settlement, TryAgain
from keyrelay.ports import Unavailable
from keyrelay.sources.sqlite.lease import HeldLeases
from keyrelay.sources.sqlite.operations import Operations
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.sources.sqlite.schema import VERSION, UnknownSchema
from keyrelay.sources.sqlite.writes import Writes
from tests.contract.queues import BURY, LEASE, SECOND, Stop, UntilIdle, a_world, trigger
from tests.fakes import Clock
from tests.samples import NOON

pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24
DRAIN = SqliteOptions(drain=True)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


# The file


async def test_a_newer_file_is_left_alone(path: Path, clock: Clock) -> None:
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")

    with pytest.raises(UnknownSchema, match="use the newer one"):
        async with open_queue(path, a_world(clock)):
            pass

    assert newer.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    newer.close()


async def test_several_can_open_a_new_file_at_once(path: Path, clock: Clock) -> None:
    async def open_and_accept(id_: str) -> bool:
        async with open_queue(path, a_world(clock)) as queue:
            return await queue.accept(trigger(id_))

    answers = await asyncio.gather(*(open_and_accept(f"t{n}") for n in range(4)))

    assert all(answers)


@pytest.mark.parametrize("settlement", [Done(), BURY], ids=["done", "buried"])
async def test_a_settled_trigger_leaves_no_data_behind(
    queue: SqliteQueue, beside: sqlite3.Connection, settlement: Settlement
) -> None:
    await queue.accept(trigger())
    lease = await queue.lease(asyncio.Event())
    assert lease is not None

    await lease.settle(settlement)

    assert beside.execute("SELECT body FROM triggers").fetchall() == [(None,)]


@pytest.mark.parametrize(
    "damage",
    [
        "body = 'canary{'",
        "body = NULL",
        "body = 5",
        "body = x'ff'",
        "done = 'canary'",
        "done = '5'",
        "done = '[[1]]'",
        "done = x'ff'",
    ],
)
async def test_a_trigger_that_cannot_be_read_is_kept_and_harms_no_other(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    async with open_queue(path, a_world(clock), SqliteOptions(drain=True)) as queue:
        await queue.accept(trigger("damaged"))
        await queue.accept(trigger("good"))
        beside = sqlite3.connect(path, isolation_level=None)
        beside.execute(f"UPDATE triggers SET {damage} WHERE id = 'damaged'")  # noqa: S608

        lanes = [asyncio.create_task(queue.lease(asyncio.Event())) for _ in range(2)]
        ended, _ = await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        good = ended.pop().result()
        assert good is not None
        await good.settle(Done())
        end = await queue.lease(asyncio.Event())

        assert (good.trigger.id, end) == ("good", None)
        await asyncio.wait(lanes)
        assert messages(caplog) == ["trigger cannot be read"]
        assert "canary" not in caplog.text
        mended_body = (trigger("damaged").encode(),)
        beside.execute("UPDATE triggers SET body = ?, done = '[]'", mended_body)
        beside.close()
        clock.time += timedelta(hours=1)
        mended = await queue.lease(asyncio.Event())
        assert mended is not None
        assert (mended.number, mended.repeats) == (1, False)


async def test_many_waiting_triggers_wake_in_steps(
    queue: SqliteQueue, beside: sqlite3.Connection
) -> None:
    await accept_many(queue, 2500)
    sql = "UPDATE triggers SET waits_for = ?, due = due + 1000000"
    beside.execute(sql, (SECRET,))

    await queue.wake(SECRET)

    assert (await queue.depth()).due == 2500


async def test_many_old_triggers_are_forgotten_in_steps(
    queue: SqliteQueue, beside: sqlite3.Connection, clock: Clock
) -> None:
    await accept_many(queue, 2500)
    long_ago = "UPDATE triggers SET settled_at = accepted_at, due = NULL"
    beside.execute(f"{long_ago} WHERE id != 't7'")

    await clock.pass_time(timedelta(days=8))

    assert beside.execute("SELECT id FROM triggers").fetchall() == [("t7",)]


async def accept_many(queue: SqliteQueue, count: int) -> None:
    ids = (f"t{number}" for number in range(count))
    await asyncio.gather(*(queue.accept(trigger(id_)) for id_ in ids))


# Refusals


async def test_a_locked_file_is_unavailable_and_the_queue_goes_on_by_itself(
    queue: SqliteQueue, beside: sqlite3.Connection
) -> None:
    await queue.accept(trigger("t1"))
    held = await queue.lease(asyncio.Event())
    assert held is not None
    beside.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked"):
        await queue.accept(trigger("t2"))
    with pytest.raises(Unavailable, match="locked"):
        await queue.lease(asyncio.Event())
    with pytest.raises(Unavailable, match="locked"):
        await held.settle(Done())
    with pytest.raises(Unavailable, match="locked"):
        await queue.wake(SECRET)

    beside.execute("ROLLBACK")
    assert await queue.accept(trigger("t2"))
    await held.settle(Done())
    second = await queue.lease(asyncio.Event())
    assert second is not None
    assert second.trigger.id == "t2"


async def test_waiting_lanes_wake_to_learn_that_the_file_cannot_be_read(
    path: Path, clock: Clock
) -> None:
    database = connect(path / "nowhere")
    writes = Writes(database=database, world=a_world(clock), options=SqliteOptions())
    operations = Operations(
        writes=writes, wakeup=Wakeup(), leases=HeldLeases(writes=writes)
    )
    asleep = clock.next_sleep()
    upkeep = asyncio.create_task(operations.run_upkeep())
    stop = Stop()
    waiting = asyncio.create_task(operations.wakeup.wait(stop))
    await stop.awaited.wait()
    await asleep.wait()

    clock.advance(SECOND)

    await waiting
    assert not stop.is_set()
    upkeep.cancel()
    await asyncio.wait([upkeep])


async def test_a_lease_is_kept_when_one_renewal_fails(
    queue: SqliteQueue,
    beside: sqlite3.Connection,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await queue.accept(trigger())
    held = await queue.lease(asyncio.Event())

    beside.execute("BEGIN IMMEDIATE")
    await clock.pass_time(LEASE / 3)
    beside.execute("ROLLBACK")
    await clock.pass_time(LEASE / 3)
    clock.time += LEASE - SECOND

    assert messages(caplog) == ["leases are not renewed", "leases are renewed again"]
    assert (await queue.depth()).due == 0
    assert held is not None


async def test_upkeep_that_dies_takes_the_lanes_with_it(
    path: Path, clock: Clock
) -> None:
    async def broken(_: timedelta) -> None:
        raise LookupError

    world = replace(a_world(clock), sleep=broken)
    async with open_queue(path, world) as queue:
        await asyncio.wait([queue._upkeep])

        with pytest.raises(ExceptionGroup):
            await queue.lease(asyncio.Event())


async def test_upkeep_that_dies_takes_lanes_that_wait_with_it(
    queue: SqliteQueue, beside: sqlite3.Connection, clock: Clock
) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()
    beside.execute("DROP TABLE triggers")

    clock.advance(SECOND)

    with pytest.raises(ExceptionGroup):
        await lane


# Clocks


TOO_LATE = "triggers due too late are due now"


async def test_what_was_accepted_while_the_clock_was_ahead_is_due_and_said(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.time = NOON + LONGEST_WAIT + SECOND
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger())
    clock.time = NOON

    async with open_queue(path, a_world(clock), DRAIN) as queue:
        lease = await queue.lease(asyncio.Event())

    assert lease is not None
    (said,) = [each for each in caplog.records if each.message == TOO_LATE]
    assert (said.levelname, vars(said)["triggers"]) == ("WARNING", 1)


async def test_a_clock_that_is_set_back_while_the_queue_is_open_strands_nothing(
    path: Path, clock: Clock
) -> None:
    ahead = [2 * LONGEST_WAIT]
    world = replace(a_world(clock), now=lambda: clock.time + ahead[0])
    upkeep = clock.next_sleep()
    async with open_queue(path, world) as queue:
        await upkeep.wait()
        await queue.accept(trigger())
        ahead[0] = timedelta()
        assert await queue.lease(UntilIdle()) is None

        await clock.pass_time(LEASE)

        assert await queue.lease(UntilIdle()) is not None


async def test_what_may_be_due_that_late_is_not_brought_forward(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger())
        lease = await queue.lease(asyncio.Event())
        assert lease is not None
        await lease.settle(TryAgain(after=LONGEST_WAIT))

    async with open_queue(path, a_world(clock), DRAIN) as queue:
        assert await queue.lease(asyncio.Event()) is None

    assert TOO_LATE not in messages(caplog)


async def test_a_lease_of_a_clock_ahead_ends_once_it_could_have_been_renewed(
    path: Path, clock: Clock
) -> None:
    clock.time = NOON + 2 * LONGEST_WAIT
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger())
        assert await queue.lease(asyncio.Event()) is not None
    clock.time = NOON

    upkeep = clock.next_sleep()
    async with open_queue(path, a_world(clock)) as queue:
        await upkeep.wait()
        assert await queue.lease(UntilIdle()) is None
        await clock.pass_time(LEASE + SECOND)
        again = await queue.lease(UntilIdle())

    assert again is not None
    assert again.repeats
