"""The embedded queue: what people see of it, hold, release, cancel and hurry."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.model.backlog import ALWAYS, Period, QueueQuery, TriggerState
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.intervention import Act, ActEffect
from keyrelay.model.settlement import LONGEST_WAIT, Done, TryAgain
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.queues import LEASE, Stop, UntilIdle, a_world, trigger
from tests.fakes import Clock
from tests.samples import MAIL_ACTION, NOON, OTHER_PROFILE, PROFILE, QUEUE_ACTION

pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24
ORDERED = SqliteOptions(ordered=True)
ALL = QueueQuery()


async def act(queue: SqliteQueue, act: Act, *ids: str) -> list[ActEffect]:
    said = await queue.intervene(act, PROFILE, ids, "by ada")
    return [each.effect for each in said]


async def cancel(queue: SqliteQueue, *ids: str) -> None:
    await act(queue, Act.CANCEL, *ids)
    await queue.conclude(PROFILE, ids)


async def state(queue: SqliteQueue, id_: str = "t1") -> TriggerState | None:
    status = await queue.status(PROFILE, id_)
    return None if status is None else status.state


async def lent(queue: SqliteQueue) -> str | None:
    """Return the id of the next due trigger, which is settled."""
    lease = await queue.lease(UntilIdle())
    if lease is None:
        return None
    await lease.settle(Done())
    return lease.trigger.id


async def listed(queue: SqliteQueue, query: QueueQuery = ALL) -> Sequence[str]:
    return [entry.id async for entry in queue.entries(PROFILE, query)]


async def put_back(queue: SqliteQueue, again: TryAgain) -> None:
    lease = await queue.lease(UntilIdle())
    assert lease is not None
    await lease.settle(again)


# Held


async def test_what_is_held_is_lent_once_it_is_released(queue: SqliteQueue) -> None:
    await queue.accept(trigger())

    assert await act(queue, Act.HOLD, "t1") == [ActEffect.APPLIED]
    assert await lent(queue) is None
    assert await act(queue, Act.RELEASE, "t1") == [ActEffect.APPLIED]
    assert await lent(queue) == "t1"


async def test_what_is_held_stays_so_however_long_and_in_every_process(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger())
        await act(queue, Act.HOLD, "t1")

    for _ in range(3):
        clock.time += 2 * LONGEST_WAIT
        async with open_queue(path, a_world(clock)) as queue:
            assert await lent(queue) is None
            assert await state(queue) is TriggerState.HELD


async def test_no_wake_of_a_secret_frees_what_a_person_holds(
    queue: SqliteQueue,
) -> None:
    await queue.accept(trigger())
    await put_back(queue, TryAgain(after=LEASE, spent=False, waits_for=SECRET))
    await act(queue, Act.HOLD, "t1")

    await queue.wake(SECRET)
    await queue.wake_all()

    assert await lent(queue) is None


async def test_a_trigger_that_is_held_keeps_its_key_in_order(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, a_world(clock), ORDERED) as queue:
        for id_ in ("t1", "t2", "t3"):
            await queue.accept(trigger(id_, key="boiler"))
        await act(queue, Act.HOLD, "t1", "t3")

        assert await lent(queue) is None
        await act(queue, Act.RELEASE, "t1")
        assert [await lent(queue) for _ in range(3)] == ["t1", "t2", None]
        await act(queue, Act.RELEASE, "t3")
        assert await lent(queue) == "t3"


async def test_without_order_a_key_is_not_held_back_nor_freed_by_its_neighbours(
    queue: SqliteQueue,
) -> None:
    for id_ in ("t1", "t2"):
        await queue.accept(trigger(id_, key="boiler"))
    await act(queue, Act.HOLD, "t1")

    assert [await lent(queue) for _ in range(2)] == ["t2", None]


async def test_whoever_held_it_stands_in_the_reason(queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    await act(queue, Act.HOLD, "t1")

    (entry,) = [each async for each in queue.entries(PROFILE, ALL)]

    assert entry.status.wait.reason == "by ada"


async def test_a_lane_that_waits_gets_what_is_released(queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    await act(queue, Act.HOLD, "t1")
    stop = Stop()
    waiting = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await act(queue, Act.RELEASE, "t1")

    assert await waiting is not None


# In flight


@pytest.mark.parametrize("asked", [Act.HOLD, Act.CANCEL, Act.RETRY])
async def test_what_is_in_flight_is_left_alone(queue: SqliteQueue, asked: Act) -> None:
    await queue.accept(trigger())
    lease = await queue.lease(asyncio.Event())
    assert lease is not None

    assert await act(queue, asked, "t1") == [ActEffect.TOO_LATE]
    await lease.settle(Done())
    assert await state(queue) is TriggerState.DONE


async def test_a_lease_that_expired_is_lost_to_a_hold(path: Path, clock: Clock) -> None:
    async with open_queue(path, a_world(clock)) as dead:
        await dead.accept(trigger())
        assert await dead.lease(asyncio.Event()) is not None
    clock.time += 2 * LEASE
    async with open_queue(path, a_world(clock)) as queue:
        assert await act(queue, Act.HOLD, "t1") == [ActEffect.APPLIED]
        await act(queue, Act.RELEASE, "t1")

        lease = await queue.lease(asyncio.Event())

    assert lease is not None
    assert (lease.repeats, lease.number) == (True, 2)


# Cancelled


async def test_what_is_cancelled_is_not_lent_and_not_accepted_again(
    queue: SqliteQueue,
) -> None:
    await queue.accept(trigger())

    await cancel(queue, "t1")

    assert await state(queue) is TriggerState.CANCELLED
    assert await lent(queue) is None
    assert not await queue.accept(trigger())
    assert await act(queue, Act.CANCEL, "t1") == [ActEffect.ALREADY]


async def test_between_a_cancellation_and_its_end_nothing_is_lent(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, a_world(clock)) as queue:
        await queue.accept(trigger())
        await act(queue, Act.CANCEL, "t1")
    async with open_queue(path, a_world(clock)) as queue:
        assert await lent(queue) is None
        assert await state(queue) is TriggerState.CANCELLING
        await cancel(queue, "t1")
        assert await state(queue) is TriggerState.CANCELLED


async def test_the_end_of_a_cancellation_ends_nothing_else(queue: SqliteQueue) -> None:
    for id_ in ("t1", "t2"):
        await queue.accept(trigger(id_))
    await act(queue, Act.HOLD, "t2")

    await queue.conclude(PROFILE, ["t1", "t2", "t3"])

    assert await state(queue) is TriggerState.WAITING
    assert await state(queue, "t2") is TriggerState.HELD


async def test_once_the_first_of_a_key_is_cancelled_the_next_is_due(
    path: Path, clock: Clock
) -> None:
    async with open_queue(path, a_world(clock), ORDERED) as queue:
        for id_ in ("t1", "t2"):
            await queue.accept(trigger(id_, key="boiler"))

        await cancel(queue, "t1")

        assert await lent(queue) == "t2"


# Hurried


async def test_a_retry_is_due_now_and_spends_nothing(queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    await put_back(queue, TryAgain(after=LEASE, waits_for=SECRET))

    assert await act(queue, Act.RETRY, "t1") == [ActEffect.APPLIED]

    assert await act(queue, Act.RETRY, "t1") == [ActEffect.ALREADY]
    lease = await queue.lease(UntilIdle())
    assert lease is not None
    assert (lease.number, lease.repeats) == (2, False)


async def test_a_retry_passes_no_other_of_its_key(path: Path, clock: Clock) -> None:
    async with open_queue(path, a_world(clock), ORDERED) as queue:
        for id_ in ("t1", "t2"):
            await queue.accept(trigger(id_, key="boiler"))
        await put_back(queue, TryAgain(after=LEASE))

        assert await act(queue, Act.RETRY, "t2") == [ActEffect.ALREADY]
        assert await lent(queue) is None


# Walls


@pytest.mark.parametrize("asked", Act)
async def test_another_profiles_trigger_is_not_known(
    queue: SqliteQueue, asked: Act
) -> None:
    await queue.accept(trigger(profile=OTHER_PROFILE))

    assert await act(queue, asked, "t1", "t2") == [ActEffect.UNKNOWN] * 2
    await queue.conclude(PROFILE, ["t1"])
    status = await queue.status(OTHER_PROFILE, "t1")
    assert status is not None
    assert status.state is TriggerState.WAITING
    assert await listed(queue) == []


# Lists


async def test_each_state_is_told_apart(queue: SqliteQueue, clock: Clock) -> None:
    for id_ in ("retrying", "leased", "held", "cancelling", "done", "waiting"):
        await queue.accept(trigger(id_))
    await put_back(queue, TryAgain(after=LEASE, reason="busy"))
    lease = await queue.lease(UntilIdle())
    await act(queue, Act.HOLD, "held")
    await act(queue, Act.CANCEL, "cancelling")
    assert await lent(queue) == "done"

    for wanted in ("retrying", "leased", "held", "cancelling", "waiting"):
        query = QueueQuery(state=TriggerState(wanted))
        assert await listed(queue, query) == [wanted]
    assert len(await listed(queue)) == 5
    assert lease is not None


async def test_a_list_is_filtered_by_action_secret_and_reason(
    queue: SqliteQueue,
) -> None:
    for id_ in ("t1", "t2"):
        await queue.accept(trigger(id_))
    paused = "its secret is paused: 50% of 535"
    again = TryAgain(after=LEASE, spent=False, waits_for=SECRET, reason=paused)
    await put_back(queue, again)

    users = frozenset({MAIL_ACTION})
    assert await listed(queue, QueueQuery(secret=SECRET)) == ["t1"]
    assert len(await listed(queue, QueueQuery(secret=SECRET, users=users))) == 2
    assert await listed(queue, QueueQuery(action=QUEUE_ACTION)) == []
    assert len(await listed(queue, QueueQuery(action=MAIL_ACTION))) == 2
    assert await listed(queue, QueueQuery(reason="PAUSED: 50% of")) == ["t1"]
    assert await listed(queue, QueueQuery(reason="paused%535")) == []


async def test_a_long_list_has_each_trigger_once(queue: SqliteQueue) -> None:
    ids = [f"t{number}" for number in range(1203)]
    await asyncio.gather(*[queue.accept(trigger(id_)) for id_ in ids])

    assert sorted(await listed(queue)) == sorted(ids)


async def test_a_row_that_cannot_be_read_is_listed_and_can_be_cancelled(
    queue: SqliteQueue, beside: sqlite3.Connection
) -> None:
    await queue.accept(trigger())
    beside.execute("UPDATE triggers SET body = 'no trigger'")

    assert await listed(queue) == ["t1"]
    await cancel(queue, "t1")
    assert await listed(queue) == []


# The file of an older Keyrelay

_OLDER = """
CREATE TABLE triggers (sequence INTEGER PRIMARY KEY, profile TEXT NOT NULL,
  id TEXT NOT NULL, "key" TEXT, body BLOB, due INTEGER, token TEXT,
  attempts INTEGER NOT NULL, cut BOOLEAN NOT NULL, done TEXT NOT NULL, waits_for TEXT,
  accepted_at INTEGER NOT NULL, settled_at INTEGER, settlement TEXT,
  UNIQUE (profile, id));
CREATE INDEX triggers_due ON triggers (due) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX triggers_leased ON triggers (token) WHERE token IS NOT NULL;
CREATE INDEX triggers_in_line ON triggers (profile, "key")
  WHERE "key" IS NOT NULL AND settled_at IS NULL;
CREATE INDEX triggers_blocked ON triggers (sequence)
  WHERE due IS NULL AND settled_at IS NULL;
CREATE INDEX triggers_waiting_for ON triggers (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX triggers_settled ON triggers (settled_at) WHERE settled_at IS NOT NULL;
PRAGMA user_version = 1;
"""


async def test_what_waits_in_an_older_file_is_listed_and_lent(
    path: Path, clock: Clock
) -> None:
    insert = (
        "INSERT INTO triggers (profile, id, body, due, attempts, cut, done,"
        " accepted_at) VALUES (?, ?, ?, 0, 0, false, '[]', 0)"
    )
    with closing(sqlite3.connect(path)) as older:
        older.executescript(_OLDER)
        for id_, body in (("t1", trigger().encode()), ("t2", b"no trigger")):
            older.execute(insert, (PROFILE, id_, body))
        older.commit()

    for _ in range(2):
        async with open_queue(path, a_world(clock)) as queue:
            assert await listed(queue) == ["t1", "t2"]
            assert await listed(queue, QueueQuery(action=MAIL_ACTION)) == ["t1"]
    async with open_queue(path, a_world(clock)) as queue:
        assert await lent(queue) == "t1"


async def test_an_older_file_ends_with_the_indices_of_a_new_one(
    path: Path, tmp_path: Path, clock: Clock
) -> None:
    with closing(sqlite3.connect(path)) as older:
        older.executescript(_OLDER)
    new = tmp_path / "new.db"
    for file in (path, new):
        async with open_queue(file, a_world(clock)):
            pass

    def shape(file: Path) -> tuple[set[str], set[str]]:
        with closing(sqlite3.connect(file)) as opened:
            indices = opened.execute("SELECT name FROM sqlite_master")
            columns = opened.execute("SELECT name FROM pragma_table_info('triggers')")
            return {name for (name,) in indices}, {name for (name,) in columns}

    assert shape(path) == shape(new)


async def test_a_list_goes_on_after_a_place_whatever_became_of_what_stood_there(
    queue: SqliteQueue,
) -> None:
    for number in range(1, 4):
        await queue.accept(trigger(f"t{number}"))
    first = await anext(aiter(queue.entries(PROFILE, ALL)))

    await queue.intervene(Act.CANCEL, PROFILE, ["t1"], "")
    await queue.conclude(PROFILE, ["t1"])
    after = queue.entries(PROFILE, ALL, first.place)

    assert [entry.id async for entry in after] == ["t2", "t3"]


@pytest.mark.parametrize("place", ["first", "-1", "٣", "9" * 20])
async def test_a_place_that_is_none_is_refused(queue: SqliteQueue, place: str) -> None:
    with pytest.raises(InvalidDefinition, match="the `next` of a page"):
        await anext(aiter(queue.entries(PROFILE, ALL, place)))


async def test_what_is_held_is_counted_in_all_profiles(queue: SqliteQueue) -> None:
    for number in range(1, 5):
        await queue.accept(trigger(f"t{number}"))
    await queue.intervene(Act.HOLD, PROFILE, ["t1", "t2", "t3"], "")
    await queue.intervene(Act.RELEASE, PROFILE, ["t2"], "")
    await queue.intervene(Act.CANCEL, PROFILE, ["t3"], "")
    await queue.conclude(PROFILE, ["t3"])

    assert await queue.count_held() == 1


async def test_what_is_not_settled_is_counted_up_to_a_limit(queue: SqliteQueue) -> None:
    for number in range(1, 4):
        await queue.accept(trigger(f"t{number}"))
    await queue.intervene(Act.CANCEL, PROFILE, ["t1"], "")
    await queue.conclude(PROFILE, ["t1"])

    assert await queue.count_unsettled(PROFILE, 9) == 2
    assert await queue.count_unsettled(PROFILE, 1) == 1
    assert await queue.count_unsettled(OTHER_PROFILE, 9) == 0


async def test_a_list_can_be_of_what_was_accepted_in_a_period(
    queue: SqliteQueue,
) -> None:
    await queue.accept(trigger("t1"))
    second = timedelta(seconds=1)

    for period, found in [
        (Period(since=NOON, until=NOON + second), ["t1"]),
        (Period(since=NOON + second), []),
        (Period(until=NOON), []),
    ]:
        assert await listed(queue, QueueQuery(accepted=period)) == found


def test_what_is_not_known_is_within_no_period() -> None:
    assert ALWAYS.holds(None)
    assert not Period(since=NOON).holds(None)
