"""The embedded queue: its file, its refusals, and what it says in the log."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.databases.sqlite import connect
from keyrelay.model.backlog import QueueQuery, TriggerState
from keyrelay.model.dead_letter import UnreadableLetter
from keyrelay.model.settlement import LONGEST_WAIT, Done, Settlement, TryAgain
from keyrelay.ports import Unavailable
from keyrelay.sources.sqlite import statements
from keyrelay.sources.sqlite.inserting import AcceptedRow, accepted
from keyrelay.sources.sqlite.lease import HeldLeases
from keyrelay.sources.sqlite.operations import Operations
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.sources.sqlite.schema import VERSION, UnknownSchema
from keyrelay.sources.sqlite.writes import Writes
from tests.contract.queues import BURY, LEASE, SECOND, Stop, UntilIdle, a_world, trigger
from tests.fakes import Clock
from tests.samples import NOON, PROFILE

pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24
DRAIN = SqliteOptions(drain=True)
DAMAGED = accepted(trigger("damaged", key="door"), 0, None, blocked=False).body


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


@dataclass(slots=True)
class Burials:
    """What was buried; `refusals` is how often it cannot be kept."""

    letters: list[UnreadableLetter] = field(default_factory=list)
    refusals: int = 0

    async def keep(self, letters: Sequence[UnreadableLetter]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("the database is locked")
        self.letters += letters


@pytest.fixture
def burials() -> Burials:
    return Burials()


@asynccontextmanager
async def a_queue_with_a_damaged_row(
    path: Path, clock: Clock, burials: Burials, damage: str
) -> AsyncIterator[SqliteQueue]:
    """Open a queue of three triggers of one key, the first of which is damaged."""
    options = SqliteOptions(drain=True, ordered=True)
    async with open_queue(path, a_world(clock), options, burials.keep) as queue:
        for id_ in ("damaged", "second", "third"):
            await queue.accept(trigger(id_, key="door"))
        beside = sqlite3.connect(path, isolation_level=None)
        beside.execute(f"UPDATE triggers SET {damage} WHERE id = 'damaged'")  # noqa: S608
        beside.close()
        yield queue


@pytest.mark.parametrize(
    ("damage", "raw"),
    [
        ("body = 'canary{'", b"canary{"),
        ("body = NULL", b""),
        ("body = 5", b"5"),
        ("body = x'ff'", b"\xff"),
        ("body = CAST(x'7bff' AS TEXT)", "{\ufffd".encode()),
        ("done = 'canary'", DAMAGED),
        ("done = '5'", DAMAGED),
        ("done = '[[1]]'", DAMAGED),
        ("done = x'ff'", DAMAGED),
        ("done = CAST(x'ff' AS TEXT)", DAMAGED),
        ("accepted_at = 'canary'", DAMAGED),
        ("accepted_at = CAST(x'ff' AS TEXT)", DAMAGED),
        ("accepted_at = 9223372036854775807", DAMAGED),
    ],
    ids=str,
)
async def test_a_trigger_that_cannot_be_read_is_buried_as_it_stands_and_harms_no_other(
    path: Path,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    burials: Burials,
    damage: str,
    raw: bytes,
) -> None:
    async with a_queue_with_a_damaged_row(path, clock, burials, damage) as queue:
        listed = [each.id async for each in queue.entries(PROFILE, QueueQuery())]
        lent = []
        while (lease := await queue.lease(asyncio.Event())) is not None:
            lent.append(lease.trigger.id)
            await lease.settle(Done())
        status = await queue.status(PROFILE, "damaged")

    assert (listed, lent) == (["damaged", "second", "third"], ["second", "third"])
    (letter,) = burials.letters
    assert (letter.trigger.profile, letter.trigger.id) == (PROFILE, "damaged")
    assert (letter.trigger.raw, letter.attempts) == (raw, 0)
    assert status is not None
    assert status.state is TriggerState.BURIED
    assert messages(caplog) == ["trigger cannot be read"]
    assert "canary" not in caplog.text
    assert queue.losses.unreadable == {"queue": 1}


@pytest.mark.parametrize("column", ["profile", "id", "key"])
async def test_a_trigger_whose_name_is_damaged_is_lent_or_buried(
    path: Path, clock: Clock, burials: Burials, column: str
) -> None:
    damage = f"{column} = CAST(x'ff' AS TEXT)"
    async with a_queue_with_a_damaged_row(path, clock, burials, damage) as queue:
        lent = set()
        while (lease := await queue.lease(asyncio.Event())) is not None:
            lent.add(lease.trigger.id)
            await lease.settle(Done())

    assert lent | {each.trigger.id for each in burials.letters} == {
        *("damaged", "second", "third")
    }


async def test_what_could_not_be_buried_is_buried_once_its_lease_has_expired(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, burials: Burials
) -> None:
    burials.refusals = 1
    opened = a_queue_with_a_damaged_row(path, clock, burials, "body = x'ff'")
    async with opened as queue:
        lane = asyncio.create_task(queue.lease(asyncio.Event()))
        await clock.pass_time(LEASE / 2)
        assert burials.letters == []
        await clock.pass_time(LEASE)

        second = await lane

    assert second is not None
    assert second.trigger.id == "second"
    assert [each.trigger.id for each in burials.letters] == ["damaged"]
    assert messages(caplog).count("not buried") == 1


async def test_a_process_that_only_publishes_buries_nothing(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger("damaged"))
        beside = sqlite3.connect(path, isolation_level=None)
        beside.execute("UPDATE triggers SET body = x'ff'")

        assert await queue.lease(UntilIdle()) is None

        assert beside.execute("SELECT body FROM triggers").fetchall() == [(b"\xff",)]
        beside.close()
    assert messages(caplog) == ["trigger cannot be read", "not buried"]


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


def test_all_that_is_written_of_a_new_trigger_is_inserted() -> None:
    columns, values = re.findall(r"\(([^()]+, 0, 0|[^()]+cut)\)", statements.ACCEPT)

    of_row = columns.removesuffix(", attempts, cut").split(", ")
    assert tuple(of_row) == AcceptedRow._fields
    assert values.count("?") == len(of_row)


async def test_many_are_accepted_in_their_order_and_each_is_told_whether_it_is_new(
    path: Path, clock: Clock
) -> None:
    ids = [f"t{number}" for number in range(2 * statements.TOGETHER + 3)]
    known = {"t0", "t70", "t102"}
    async with open_queue(path, clock.world()) as queue:
        await queue.accept_all([trigger(id_) for id_ in sorted(known)])

        twice = [trigger(id_) for id_ in [*ids, "t71"]]
        answers = await queue.accept_all(twice)

        listed = [each.id async for each in queue.entries(PROFILE, QueueQuery())]
    assert answers == [*(id_ not in known for id_ in ids), False]
    assert listed[3:] == [id_ for id_ in ids if id_ not in known]


async def test_a_list_that_is_longer_than_its_first_pages_is_whole(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, clock.world()) as queue:
        await accept_many(queue, 800)

        listed = [each.id async for each in queue.entries(PROFILE, QueueQuery())]

    assert listed == [f"t{number}" for number in range(800)]


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
