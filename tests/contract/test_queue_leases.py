"""The promises of ports.Queue: which trigger is lent, when, and for how long."""

import asyncio
from datetime import timedelta

import pytest

from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.worker import Worker
from keyrelay.model.audit import Report
from keyrelay.model.outcome import Delivered
from keyrelay.model.settlement import Done, TryAgain
from keyrelay.ports import Lease, LeaveLane
from tests.contract.queues import (
    LEASE,
    SECOND,
    OpenQueue,
    Place,
    Stop,
    lease,
    next_due,
    settle_next,
    trigger,
)
from tests.fakes import FakeAuditLog, FakeDeadLetters, Story

pytest_plugins = ["tests.contract.queue_fixtures"]
pytestmark = pytest.mark.timeout(30)


# Leasing


async def test_a_leased_trigger_is_not_lent_again(queue: OpenQueue) -> None:
    await queue.accept(trigger())

    held = await lease(queue)

    assert await next_due(queue) is None
    assert held.number == 1


async def test_what_has_been_due_for_longest_is_lent_first(
    place: Place, queue: OpenQueue
) -> None:
    for id_ in ("first", "second", "third"):
        await queue.accept(trigger(id_))
        place.clock.advance(SECOND)

    lent = [await lease(queue) for _ in range(3)]

    assert [held.trigger.id for held in lent] == ["first", "second", "third"]


async def test_an_accepted_trigger_wakes_a_lane_at_once(queue: OpenQueue) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await queue.accept(trigger())

    assert (await lane) is not None


async def test_what_is_accepted_elsewhere_wakes_a_lane_soon(
    place: Place, queue: OpenQueue
) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    async with place.open() as other:
        await other.accept(trigger())
    place.clock.advance(SECOND / 10)

    assert await lane is not None


async def test_each_of_many_waiting_lanes_gets_a_trigger(queue: OpenQueue) -> None:
    stops = [Stop() for _ in range(8)]
    lanes = [asyncio.create_task(queue.lease(stop)) for stop in stops]
    await asyncio.gather(*(stop.awaited.wait() for stop in stops))

    await asyncio.gather(*(queue.accept(trigger(f"t{n}")) for n in range(8)))

    lent = await asyncio.gather(*lanes)
    assert {held.trigger.id for held in lent if held} == {f"t{n}" for n in range(8)}


async def test_a_lane_that_is_stopped_gets_nothing(queue: OpenQueue) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    stop.set()

    assert await lane is None


async def test_after_the_stop_nothing_is_lent(queue: OpenQueue) -> None:
    await queue.accept(trigger())
    stop = Stop()
    stop.set()

    assert await queue.lease(stop) is None


async def test_a_lane_that_was_cancelled_takes_no_trigger_with_it(
    place: Place, queue: OpenQueue
) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    lane.cancel()
    await asyncio.wait([lane])
    await queue.accept(trigger())

    assert (await lease(queue)).number == 1


# Expiry and renewal


async def test_a_lease_whose_process_died_goes_back_when_it_expires(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    async with place.open() as dying:
        held = await lease(dying)

    await place.pass_time(LEASE - SECOND)
    assert await next_due(queue) is None
    await place.pass_time(2 * SECOND)

    again = await lease(queue)
    assert again.trigger == held.trigger
    assert (again.number, again.repeats) == (2, True)


async def test_a_lease_that_follows_a_cut_one_says_so_and_since_when_to_ask(
    place: Place, queue: OpenQueue
) -> None:
    before = place.clock.time
    await queue.accept(trigger())
    async with place.open() as dying:
        first = await lease(dying)
        lent = place.clock.time
    await place.pass_time(LEASE + SECOND)

    second = await lease(queue)
    await second.settle(TryAgain(after=SECOND))
    await place.pass_time(place.retry_wait + 2 * SECOND)
    third = await lease(queue)

    assert first.unsettled is None
    assert second.unsettled is not None
    assert third.unsettled is not None
    assert second.unsettled.is_last
    assert not third.unsettled.is_last
    assert before <= second.unsettled.since == third.unsettled.since <= lent


async def test_after_a_lease_was_cut_every_later_lease_repeats(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    async with place.open() as dying:
        await lease(dying)
    await place.pass_time(LEASE)
    await settle_next(queue, TryAgain(after=timedelta()))
    await place.pass_time(place.retry_wait)

    assert (await lease(queue)).repeats


async def test_a_lease_that_its_lane_let_go_of_goes_back(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    del held
    await place.pass_time(LEASE)

    assert (await lease(queue)).repeats


async def test_settling_after_the_lease_was_lost_does_nothing(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    async with place.open(stalled=True) as stalled:
        late = await lease(stalled)
        await place.pass_time(LEASE)
        new = await lease(queue)

        await late.settle(Done())

    assert await next_due(queue) is None, "the new holder keeps it"
    await new.settle(TryAgain(after=timedelta()))
    await place.pass_time(place.retry_wait)
    assert (await lease(queue)).number == 3, "it is not done"


async def test_settling_twice_counts_once(place: Place, queue: OpenQueue) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    await held.settle(TryAgain(after=timedelta()))
    await held.settle(Done())
    await place.pass_time(place.retry_wait)

    assert (await lease(queue)).number == 2


async def test_a_lease_does_not_expire_while_its_holder_lives(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    async with place.open() as other:
        stop = Stop()
        lane = asyncio.create_task(other.lease(stop))
        await stop.awaited.wait()
        for _ in range(12):
            await place.pass_time(LEASE / 3)
        stop.set()
        assert await lane is None

    await held.settle(Done())
    await place.pass_time(LEASE)
    assert await next_due(queue) is None


async def test_a_trigger_whose_attempt_left_its_lane_is_not_lent_to_another(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    under_way, answered = asyncio.Event(), asyncio.Event()

    async def attempt(_: Lease, leave: LeaveLane) -> Report:
        leave()
        under_way.set()
        await answered.wait()
        return Report(outcome=Delivered("250 ok"))

    log, stop = FakeAuditLog(Story()), asyncio.Event()
    worker = Worker(
        queue=queue,
        attempt=attempt,
        conclusion=Conclusion(
            audit=log, dead_letters=FakeDeadLetters(Story()), world=place.clock.world()
        ),
        lanes=1,
        world=place.clock.world(),
    )
    work = asyncio.create_task(worker.run(stop, LEASE))
    await under_way.wait()

    async with place.open() as other:
        until = Stop()
        lane = asyncio.create_task(other.lease(until))
        await until.awaited.wait()
        for _ in range(60):
            await place.pass_time(LEASE / 3)
        until.set()
        assert await lane is None, "ten minutes later it is still this worker's"
    answered.set()
    stop.set()
    await work

    assert [record.attempt.number for record in log.records] == [1]
    await place.pass_time(LEASE)
    assert await next_due(queue) is None


async def test_a_process_that_slept_does_not_take_its_own_leases_for_lost(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    place.clock.advance(10 * LEASE)

    assert await next_due(queue) is None
    await held.settle(Done())


# What is asked just before the peer can act


async def test_a_lease_is_still_held_for_as_long_as_its_holder_lives(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)
    assert await held.still_held()

    for _ in range(5):
        await place.pass_time(LEASE / 2)
        assert await held.still_held()


async def test_a_process_that_was_stopped_holds_nothing_that_another_took_over(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    async with place.open(stalled=True) as stopped:
        held = await lease(stopped)
        await place.pass_time(LEASE + 2 * SECOND)

        taken_over = await lease(queue)

        assert not await held.still_held()
        assert await taken_over.still_held()
