"""What waits in the embedded queue for a secret goes on once it is paused no more."""

import asyncio
from pathlib import Path

import pytest

from keyrelay.model.settlement import TryAgain
from keyrelay.sources.sqlite.inspection import waited_for
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.queues import SECOND, UntilIdle, a_world, trigger
from tests.fakes import Clock
from tests.samples import DAY, MAIL_SECRET, NOON, QUEUE_SECRET

pytestmark = pytest.mark.timeout(30)

LATER = DAY


async def park(queue: SqliteQueue, id_: str, secret: str | None) -> None:
    """Put a trigger back that waits for the secret."""
    await queue.accept(trigger(id_))
    lease = await queue.lease(UntilIdle())
    assert lease is not None
    await lease.settle(TryAgain(after=LATER, spent=False, waits_for=secret))


async def next_id(queue: SqliteQueue) -> str | None:
    lease = await queue.lease(UntilIdle())
    return None if lease is None else lease.trigger.id


@pytest.mark.parametrize("parked_first", [True, False], ids=["before", "after"])
async def test_it_goes_on_within_a_second_whichever_process_has_parked_it(
    path: Path, *, parked_first: bool
) -> None:
    clock, paused = Clock(time=NOON), {MAIL_SECRET, QUEUE_SECRET}
    world = a_world(clock)
    async with open_queue(path, world, is_paused=paused.__contains__) as alive:
        # One that is a moment behind, and dies before it hears of anything.
        async with open_queue(path, a_world(Clock(time=NOON))) as behind:
            await park(behind, "queue", QUEUE_SECRET)
            await park(behind, "slow", None)
            if parked_first:
                await park(behind, "mail", MAIL_SECRET)
            paused.remove(MAIL_SECRET)
            await alive.wake(MAIL_SECRET)
            if not parked_first:
                await park(behind, "mail", MAIL_SECRET)

        await clock.pass_time(SECOND)

        assert await next_id(alive) == "mail"
        assert await next_id(alive) is None


async def test_a_lane_that_waits_is_woken_for_it(path: Path) -> None:
    clock, paused = Clock(time=NOON), {MAIL_SECRET}
    world = a_world(clock)
    async with open_queue(path, world, is_paused=paused.__contains__) as queue:
        await park(queue, "mail", MAIL_SECRET)
        lane = asyncio.create_task(queue.lease(asyncio.Event()))
        await clock.pass_time(2 * SECOND)
        assert not lane.done()

        paused.clear()
        await clock.pass_time(SECOND)

        lease = await lane
        assert lease is not None


async def test_a_process_that_does_no_work_ends_no_waits(path: Path) -> None:
    clock = Clock(time=NOON)
    async with open_queue(path, a_world(clock)) as queue:
        await park(queue, "mail", MAIL_SECRET)

        await clock.pass_time(5 * SECOND)

        assert await next_id(queue) is None


async def test_each_secret_that_is_waited_for_is_found_once(path: Path) -> None:
    async with open_queue(path, a_world(Clock(time=NOON))) as queue:
        for number, secret in enumerate([MAIL_SECRET, QUEUE_SECRET, None] * 3):
            await park(queue, f"t{number}", secret)

        found = await waited_for(queue._operations.writes.database)

        assert sorted(found) == sorted({MAIL_SECRET, QUEUE_SECRET})
