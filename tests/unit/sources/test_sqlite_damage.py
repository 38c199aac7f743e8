"""Damaged rows of the embedded queue: whatever a column holds, no others are hidden."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from keyrelay.model.backlog import QueueQuery, TriggerState
from keyrelay.model.dead_letter import UnreadableLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Act, ActEffect
from keyrelay.model.settlement import Done
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.queues import BURY, a_world, letter, trigger
from tests.fakes import Clock
from tests.samples import PROFILE

pytestmark = pytest.mark.timeout(60)

IDS = ["t1", "t2", "t3"]
NO_TEXT = "CAST(x'ff61' AS TEXT)"
ANY = (NO_TEXT, "x'ff00'", "x''", "'words'", "''", "7", "-1.5", "-9223372036854775808")
COLUMNS = (
    *("due", "token", "attempts", "cut", "done", "waits_for", "accepted_at"),
    *("settled_at", "settlement", "action", "reason", "held", "body", "key"),
)
EACH = [f"{column} = {value}" for column in COLUMNS for value in ANY]


@pytest.fixture
def letters() -> list[UnreadableLetter]:
    return []


@pytest.fixture
async def queue(
    path: Path, clock: Clock, letters: list[UnreadableLetter]
) -> AsyncIterator[SqliteQueue]:
    async def keep(new: Sequence[UnreadableLetter]) -> None:
        letters.extend(new)

    options = SqliteOptions(drain=True)
    async with open_queue(path, a_world(clock), options, keep) as queue:
        for id_ in IDS:
            await queue.accept(trigger(id_))
        yield queue


@pytest.fixture
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as beside:
        yield beside


def damage(beside: sqlite3.Connection, column: str) -> None:
    changed = beside.execute(f"UPDATE triggers SET {column} WHERE id = 't2'")  # noqa: S608
    assert changed.rowcount == 1


async def lent(queue: SqliteQueue) -> Sequence[str]:
    some = []
    while (lease := await queue.lease(asyncio.Event())) is not None:
        some.append(lease.trigger.id)
        assert isinstance(lease.number, int)
        assert lease.number > 0
        await lease.settle(Done())
    return sorted(some)


def texts(document: Mapping[str, object]) -> bool:
    return all(isinstance(each, str | None) for each in document.values())


@pytest.mark.parametrize("column", EACH)
async def test_all_rows_are_shown_listed_and_found(
    queue: SqliteQueue, beside: sqlite3.Connection, column: str
) -> None:
    damage(beside, column)

    listed = [each async for each in queue.entries(PROFILE, QueueQuery())]
    status = await queue.status(PROFILE, "t2")
    found = await queue.beginning(PROFILE, Beginnings(texts=("t",), most=9))

    assert {each.id for each in listed} >= {"t1", "t3"}
    assert (len(listed) == 3) != column.startswith("settled_at")
    for each in listed:
        assert isinstance(each.status.attempts, int)
        wait = each.status.wait
        assert texts({"a": each.action, "k": each.key, "r": wait.reason})
        assert texts({"s": wait.secret})
    assert status is not None
    assert found == IDS
    assert (await queue.depth()).waiting >= 2
    assert (await queue.lags())[0].topic == "queue"


@pytest.mark.parametrize("column", EACH)
async def test_each_trigger_is_lent_or_buried_and_the_queue_works_on(
    queue: SqliteQueue,
    beside: sqlite3.Connection,
    letters: list[UnreadableLetter],
    clock: Clock,
    column: str,
) -> None:
    damage(beside, column)

    # In the end what seems to be due too late is brought forward.
    some = [*await lent(queue)]
    await clock.pass_time(SqliteOptions().renewal * 2)
    some += await lent(queue)

    buried = [each.trigger.id for each in letters]
    assert sorted([*some, *buried]) == IDS
    assert set(buried) <= {"t2"}
    assert all(each.attempts >= 0 for each in letters)


@pytest.mark.parametrize("act", [Act.HOLD, Act.CANCEL, Act.RETRY])
async def test_others_are_changed_beside_it(
    queue: SqliteQueue, beside: sqlite3.Connection, act: Act
) -> None:
    for column in EACH:
        beside.execute("CREATE TABLE once AS SELECT * FROM triggers")
        damage(beside, column)

        said = await queue.intervene(act, PROFILE, IDS, "by ada")

        done = ActEffect.ALREADY if act is Act.RETRY else ActEffect.APPLIED
        effects = [each.effect for each in said]
        assert (effects[0], effects[2]) == (done, done), column
        if act is Act.CANCEL:
            await queue.conclude(PROFILE, IDS)
        beside.execute("DELETE FROM triggers")
        beside.execute("INSERT INTO triggers SELECT * FROM once")
        beside.execute("DROP TABLE once")


@pytest.mark.parametrize("value", ANY)
async def test_what_is_held_for_a_damaged_reason_can_be_released(
    queue: SqliteQueue, beside: sqlite3.Connection, value: str
) -> None:
    await queue.intervene(Act.HOLD, PROFILE, ["t2"], "by ada")
    damage(beside, f"held = {value}")

    held = QueueQuery(state=TriggerState.HELD)
    listed = [each.id async for each in queue.entries(PROFILE, held)]
    (said,) = await queue.intervene(Act.RELEASE, PROFILE, ["t2"], "by ada")

    assert (listed, said.effect) == (["t2"], ActEffect.APPLIED)
    assert "t2" in await lent(queue)


@pytest.mark.parametrize("value", [*ANY, "NULL"])
async def test_how_a_settled_trigger_ended_is_not_guessed(
    queue: SqliteQueue, beside: sqlite3.Connection, value: str
) -> None:
    assert await lent(queue) == IDS
    damage(beside, f"settlement = {value}")

    status = await queue.status(PROFILE, "t2")
    (said,) = await queue.intervene(Act.HOLD, PROFILE, ["t2"], "by ada")

    assert status is not None
    assert status.wait.reason is not None
    assert "its last audit record" in status.wait.reason
    assert said.effect is ActEffect.TOO_LATE


@pytest.mark.parametrize("value", [*ANY, "NULL"])
async def test_a_dead_letter_whose_row_is_damaged_is_redriven(
    queue: SqliteQueue, beside: sqlite3.Connection, value: str
) -> None:
    leases = [await queue.lease(asyncio.Event()) for _ in range(2)]
    letters = [letter(lease.trigger) for lease in leases if lease is not None]
    for lease in leases:
        assert lease is not None
        await lease.settle(BURY)
    beside.execute(f"UPDATE triggers SET settlement = {value} WHERE id = 't1'")  # noqa: S608

    redriven = await asyncio.gather(*(queue.redrive(each) for each in letters))

    assert redriven == [True, True]


@pytest.mark.parametrize("column", ["key = x'ff'", "key = NULL", "profile = 'words'"])
async def test_what_nothing_would_make_due_is_due_once_a_worker_starts(
    path: Path,
    clock: Clock,
    beside: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
    column: str,
) -> None:
    ordered = SqliteOptions(drain=True, ordered=True)
    async with open_queue(path, a_world(clock), ordered) as queue:
        for id_ in IDS:
            await queue.accept(trigger(id_, key="door"))
    damage(beside, column)

    async def keep(_: Sequence[UnreadableLetter]) -> None:
        raise AssertionError

    async with open_queue(path, a_world(clock), ordered, keep) as queue:
        assert await lent(queue) == IDS
    async with open_queue(path, a_world(clock), ordered, keep) as queue:
        assert await lent(queue) == []

    assert [each.message for each in caplog.records] == [
        "triggers that nothing would make due are due now"
    ]


async def test_what_waits_for_another_of_its_key_waits_on_when_a_worker_starts(
    path: Path, clock: Clock
) -> None:
    ordered = SqliteOptions(drain=True, ordered=True)
    async with open_queue(path, a_world(clock), ordered) as queue:
        for id_ in IDS:
            await queue.accept(trigger(id_, key="door"))
        await queue.intervene(Act.HOLD, PROFILE, ["t1"], "by ada")

    async def keep(_: Sequence[UnreadableLetter]) -> None:
        raise AssertionError

    async with open_queue(path, a_world(clock), ordered, keep) as queue:
        assert await lent(queue) == []
