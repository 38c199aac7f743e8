"""The promises of ports.Lease: what becomes of a trigger once it is settled."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keyrelay.model.lifetime import Lifetime
from keyrelay.model.settlement import Done, Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from tests.contract.queues import (
    BURY,
    LEASE,
    SECOND,
    OpenQueue,
    Place,
    Stop,
    lease,
    letter,
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


# The date of a message


def raised(at: datetime) -> Trigger:
    return replace(trigger(), lifetime=Lifetime(raised_at=at, deadline=at + 90 * DAY))


@pytest.mark.parametrize("off", [-30 * DAY, timedelta(minutes=6)], ids=str)
async def test_a_date_that_is_far_away_is_that_of_the_first_look_on_every_attempt(
    place: Place, queue: OpenQueue, off: timedelta
) -> None:
    before = place.clock.time
    await queue.accept(raised(before + off))
    async with place.open() as dying:
        date = (await lease(dying)).trigger.lifetime.date
        after = place.clock.time
    await place.pass_time(LEASE + SECOND)

    again = await lease(queue)
    await again.settle(TryAgain(after=SECOND))
    await place.pass_time(2 * DAY)
    last = await lease(queue)

    assert before <= date <= after
    assert again.trigger.lifetime.date == last.trigger.lifetime.date == date


async def test_a_date_that_was_near_at_first_stays_however_often_it_is_tried(
    place: Place, queue: OpenQueue
) -> None:
    raised_at = place.clock.time - DAY + timedelta(minutes=1)
    await queue.accept(raised(raised_at))

    dates = []
    for _ in range(3):
        again = await lease(queue)
        dates.append(again.trigger.lifetime.date)
        await again.settle(TryAgain(after=SECOND))
        await place.pass_time(2 * DAY)

    assert dates == [raised_at] * 3


async def test_a_redriven_trigger_is_dated_anew(place: Place, queue: OpenQueue) -> None:
    await queue.accept(raised(place.clock.time))
    await settle_next(queue, BURY)
    await place.pass_time(2 * DAY)
    before = place.clock.time

    await queue.redrive(letter(trigger()))
    after = place.clock.time
    await place.pass_time(place.retry_wait)
    first = await lease(queue)
    await first.settle(TryAgain(after=SECOND))
    await place.pass_time(2 * DAY)

    assert before <= first.trigger.lifetime.date <= after
    assert (await lease(queue)).trigger.lifetime.date == first.trigger.lifetime.date
