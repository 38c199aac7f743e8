"""The promises of ports.Lease: what becomes of a trigger once it is settled."""

import asyncio
from datetime import timedelta

import pytest

from keyrelay.model.settlement import Done, Settlement, TryAgain
from tests.contract.queues import (
    BURY,
    SECOND,
    OpenQueue,
    Place,
    Stop,
    lease,
    next_due,
    settle_next,
    trigger,
)
from tests.samples import DAY

pytest_plugins = ["tests.contract.queue_fixtures"]
pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24


# Settling


async def test_a_trigger_to_try_again_is_due_after_its_wait(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=timedelta(minutes=5)))

    await place.pass_time(timedelta(minutes=5) - SECOND)
    assert await next_due(queue) is None
    await place.pass_time(SECOND)

    again = await lease(queue)
    assert (again.number, again.repeats) == (2, False)


async def test_a_lane_wakes_when_a_retry_comes_due(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=timedelta(minutes=5)))
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    place.clock.advance(timedelta(minutes=5))

    assert await lane is not None


@pytest.mark.parametrize(("spent", "number"), [(True, 2), (False, 1)])
async def test_only_a_spent_attempt_counts(
    place: Place, queue: OpenQueue, *, spent: bool, number: int
) -> None:
    await queue.accept(trigger())

    await settle_next(queue, TryAgain(after=timedelta(), spent=spent))
    await place.pass_time(place.retry_wait)

    assert (await lease(queue)).number == number


async def test_done_parts_come_back_with_the_trigger(
    place: Place, queue: OpenQueue
) -> None:
    parts = frozenset({"ada@example.com", 'odd "," name'})
    await queue.accept(trigger())

    await settle_next(queue, TryAgain(after=timedelta(), done=parts))
    await place.pass_time(place.retry_wait)

    assert (await lease(queue)).done == parts


@pytest.mark.parametrize("settlement", [Done(), BURY], ids=["done", "buried"])
async def test_a_settled_trigger_is_not_lent_again(
    place: Place, queue: OpenQueue, settlement: Settlement
) -> None:
    await queue.accept(trigger())

    await settle_next(queue, settlement)

    await place.pass_time(DAY)
    assert await next_due(queue) is None


# Waiting for a secret


async def test_a_replaced_secret_ends_the_wait_for_it(queue: OpenQueue) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=DAY, waits_for=SECRET))
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await queue.wake(SECRET)

    assert await lane is not None


async def test_a_replaced_secret_wakes_nothing_else(queue: OpenQueue) -> None:
    for id_, secret in (("other", "6" * 24), ("none", None)):
        await queue.accept(trigger(id_))
        await settle_next(queue, TryAgain(after=DAY, waits_for=secret))
    await queue.accept(trigger("leased"))
    held = await lease(queue)

    await queue.wake(SECRET)

    assert await next_due(queue) is None
    await held.settle(Done())


async def test_all_waits_for_secrets_can_be_ended_and_no_others(
    queue: OpenQueue,
) -> None:
    for id_, secret in (("this", SECRET), ("that", "6" * 24), ("none", None)):
        await queue.accept(trigger(id_))
        await settle_next(queue, TryAgain(after=DAY, waits_for=secret))

    await queue.wake_all()

    woken = {(await lease(queue)).trigger.id for _ in range(2)}
    assert woken == {"this", "that"}
    assert await next_due(queue) is None


async def test_a_replaced_secret_does_not_end_a_lease(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=DAY, waits_for=SECRET))
    await place.pass_time(DAY)
    held = await lease(queue)

    await queue.wake(SECRET)

    assert await next_due(queue) is None
    await held.settle(Done())


async def test_a_secret_replaced_during_the_attempt_leaves_no_wait(
    queue: OpenQueue,
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    await queue.wake(SECRET)
    await held.settle(TryAgain(after=DAY, waits_for=SECRET))

    again = await lease(queue)
    await again.settle(TryAgain(after=DAY, waits_for=SECRET))
    assert await next_due(queue) is None, "it has seen the new secret"
