"""The promises of ports.Inbox, Queue and Lease, over every queue there is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.ports import Lease
from keyrelay.settlement import Done, Settlement, TryAgain
from keyrelay.trigger import Origin, Trigger
from tests.contract.queues import (
    BURY,
    LEASE,
    PLACES,
    SECOND,
    OpenQueue,
    Place,
    Stop,
    UntilIdle,
    letter,
    trigger,
)
from tests.samples import DAY, OTHER_PROFILE, PROFILE

pytestmark = pytest.mark.timeout(30)

SECRET = "5" * 24
WEEK = timedelta(days=7)


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    make: Callable[[Path], Place] = request.param
    return make(tmp_path)


@pytest.fixture
async def queue(place: Place) -> AsyncIterator[OpenQueue]:
    async with place.open() as queue:
        yield queue


async def next_due(queue: OpenQueue) -> Lease | None:
    return await queue.lease(UntilIdle())


async def lease(queue: OpenQueue) -> Lease:
    lease = await next_due(queue)
    assert lease is not None
    return lease


async def settle_next(queue: OpenQueue, settlement: Settlement) -> None:
    await (await lease(queue)).settle(settlement)


# Accepting


async def test_what_is_accepted_is_lent_as_it_was(queue: OpenQueue) -> None:
    await queue.accept(trigger(key="boiler"))

    lent = await lease(queue)

    assert lent.trigger == trigger(key="boiler")
    assert (lent.number, lent.repeats, lent.done) == (1, False, frozenset())


async def test_the_largest_trigger_of_the_border_is_lent_as_it_was(
    queue: OpenQueue,
) -> None:
    raw = (
        f'{{"action": "{"c" * 24}", "data": {{"unit": "C", "note": "{"é" * 520000}"}}}}'
    )
    origin = Origin(
        profile=PROFILE,
        now=lambda: trigger().lifetime.raised_at,
        new_id=lambda _: "t9",
    )
    large = Trigger.parse(raw.encode(), origin)

    await queue.accept(large)

    assert (await lease(queue)).trigger == large


async def test_a_known_trigger_is_accepted_once(queue: OpenQueue) -> None:
    answers = [await queue.accept(trigger()) for _ in range(3)]

    assert answers == [True, False, False]
    kept = await lease(queue)
    assert kept.number == 1
    assert await next_due(queue) is None


async def test_of_the_same_trigger_twice_at_once_one_is_new(queue: OpenQueue) -> None:
    answers = await asyncio.gather(*(queue.accept(trigger()) for _ in range(8)))

    assert sorted(answers) == [False] * 7 + [True]


async def test_many_at_once_are_all_accepted(queue: OpenQueue) -> None:
    triggers = [trigger(f"t{number}") for number in range(50)]

    answers = await asyncio.gather(*map(queue.accept, triggers))

    assert all(answers)
    lent = [await lease(queue) for _ in triggers]
    assert {held.trigger.id for held in lent} == {t.id for t in triggers}


@pytest.mark.parametrize("settlement", [Done(), BURY], ids=["done", "buried"])
async def test_a_settled_trigger_is_known_for_seven_days(
    place: Place, queue: OpenQueue, settlement: Settlement
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, settlement)

    await place.pass_time(WEEK - SECOND)
    before = await queue.accept(trigger())
    await place.pass_time(2 * SECOND + LEASE)
    after = await queue.accept(trigger())

    assert (before, after) == (False, True)


async def test_a_waiting_trigger_is_known_however_long_it_waits(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())

    await place.pass_time(2 * WEEK)

    assert not await queue.accept(trigger())


async def test_the_same_id_in_two_profiles_is_two_triggers(queue: OpenQueue) -> None:
    ours, theirs = trigger(), trigger(profile=OTHER_PROFILE)

    assert await queue.accept(ours)
    assert await queue.accept(theirs)
    await settle_next(queue, Done())

    left = await lease(queue)
    assert left.trigger in (ours, theirs)
    assert await next_due(queue) is None


async def test_what_is_accepted_outlives_the_queue(place: Place) -> None:
    async with place.open() as before:
        await before.accept(trigger())

    async with place.open() as after:
        assert (await lease(after)).trigger == trigger()
        assert not await after.accept(trigger())


# Leasing


async def test_a_leased_trigger_is_lent_to_nobody_else(queue: OpenQueue) -> None:
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


async def test_that_a_lease_was_cut_is_told_of_every_later_lease(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    async with place.open() as dying:
        await lease(dying)
    await place.pass_time(LEASE)
    await settle_next(queue, TryAgain(after=timedelta()))

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
    assert (await lease(queue)).number == 3, "it is not done"


async def test_settling_twice_counts_once(queue: OpenQueue) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    await held.settle(TryAgain(after=timedelta()))
    await held.settle(Done())

    assert (await lease(queue)).number == 2


async def test_a_lease_does_not_expire_while_its_holder_lives(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    held = await lease(queue)

    async with place.open() as other:
        for _ in range(12):
            await place.pass_time(LEASE / 3)
            assert await next_due(other) is None

    await held.settle(Done())
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
    queue: OpenQueue, *, spent: bool, number: int
) -> None:
    await queue.accept(trigger())

    await settle_next(queue, TryAgain(after=timedelta(), spent=spent))

    assert (await lease(queue)).number == number


async def test_done_parts_come_back_with_the_trigger(queue: OpenQueue) -> None:
    parts = frozenset({"ada@example.com", 'odd "," name'})
    await queue.accept(trigger())

    await settle_next(queue, TryAgain(after=timedelta(), done=parts))

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


# Draining


async def test_a_drained_queue_ends_its_lanes(place: Place) -> None:
    async with place.open(drain=True) as queue:
        await queue.accept(trigger("later"))
        await settle_next(queue, TryAgain(after=DAY))

        assert await queue.lease(Stop()) is None


async def test_a_queue_is_not_drained_while_anything_is_leased(place: Place) -> None:
    async with place.open(drain=True) as queue, place.open() as other:
        await queue.accept(trigger())
        held = await lease(other)
        stop = Stop()
        lane = asyncio.create_task(queue.lease(stop))
        await stop.awaited.wait()

        await held.settle(Done())
        await place.pass_time(SECOND)

        assert await lane is None


async def test_the_last_settlement_ends_all_lanes_of_a_draining_queue(
    place: Place,
) -> None:
    async with place.open(drain=True) as queue:
        await queue.accept(trigger())
        held = await lease(queue)
        stops = [Stop() for _ in range(4)]
        lanes = [asyncio.create_task(queue.lease(stop)) for stop in stops]
        await asyncio.gather(*(stop.awaited.wait() for stop in stops))

        await held.settle(Done())

        assert await asyncio.gather(*lanes) == [None] * 4


# Redriving


async def test_a_buried_trigger_can_be_redriven(place: Place, queue: OpenQueue) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=timedelta()))
    await settle_next(queue, BURY)
    await place.pass_time(WEEK / 2)

    assert await queue.redrive(letter(trigger()))

    again = await lease(queue)
    assert (again.number, again.done) == (1, BURY.done)
    raised_at = trigger().lifetime.raised_at
    assert again.trigger.lifetime.raised_at == raised_at
    assert again.trigger.lifetime.deadline == place.clock.time + DAY


async def test_a_forgotten_trigger_can_be_redriven(queue: OpenQueue) -> None:
    assert await queue.redrive(letter(trigger()))

    assert (await lease(queue)).done == BURY.done


async def test_redriving_wakes_a_lane(queue: OpenQueue) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await queue.redrive(letter(trigger()))

    assert await lane is not None


async def test_a_trigger_is_not_redriven_twice(queue: OpenQueue) -> None:
    await queue.redrive(letter(trigger()))

    assert not await queue.redrive(letter(trigger()))
    held = await lease(queue)
    assert not await queue.redrive(letter(trigger()))
    await held.settle(Done())
    assert not await queue.redrive(letter(trigger()))
    assert await next_due(queue) is None


async def test_another_profiles_trigger_is_not_redriven(queue: OpenQueue) -> None:
    await queue.accept(trigger())
    await settle_next(queue, BURY)

    await queue.redrive(letter(trigger(profile=OTHER_PROFILE)))

    assert (await lease(queue)).trigger.profile == OTHER_PROFILE
    assert not await queue.accept(trigger())
    assert await next_due(queue) is None
