"""Wakeup: each announcement of work wakes as many tasks as it has work for."""

import asyncio

from keyrelay.concurrency.wakeup import Wakeup
from tests.contract.queues import Stop


async def waiting(wakeup: Wakeup, stop: Stop) -> asyncio.Task[None]:
    """Return a task that waits already."""
    stop.awaited.clear()
    task = asyncio.create_task(wakeup.wait(stop))
    await stop.awaited.wait()
    return task


async def test_as_many_tasks_are_woken_as_there_is_work_for_the_first_first() -> None:
    wakeup, stop = Wakeup(), Stop()
    first, second, third = [await waiting(wakeup, stop) for _ in range(3)]

    wakeup.wake(2)
    await asyncio.gather(first, second)

    assert wakeup.waiting == 1
    wakeup.wake_all()
    await third
    assert wakeup.waiting == 0


async def test_a_wake_is_counted_although_no_task_waits() -> None:
    wakeup = Wakeup()

    wakeup.wake(1)

    assert (wakeup.count, wakeup.waiting) == (1, 0)


async def test_a_task_that_stops_or_is_cancelled_waits_no_more() -> None:
    wakeup, stop = Wakeup(), Stop()
    stopped, cancelled = [await waiting(wakeup, stop) for _ in range(2)]

    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert wakeup.waiting == 1
    stop.set()
    await stopped

    assert wakeup.waiting == 0
