"""The promises of ports.Inbox over every queue, and how a queue is drained."""

import asyncio
import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyrelay.model.documents import DEEPEST
from keyrelay.model.ids import Beginnings
from keyrelay.model.settlement import Done, Settlement, TryAgain
from keyrelay.model.trigger import LARGEST_TRIGGER, MalformedTrigger, Trigger
from tests.contract.queues import (
    BURY,
    KAFKA_EXCEPTIONS,
    LEASE,
    SECOND,
    Adapter,
    OpenQueue,
    Place,
    Stop,
    lease,
    letter,
    next_due,
    settle_next,
    trigger,
)
from tests.samples import (
    DAY,
    MAIL_ACTION,
    ORIGIN,
    OTHER_PROFILE,
    PROFILE,
    published_by,
)
from tests.triggers import GOOD

pytest_plugins = ["tests.contract.queue_fixtures"]
pytestmark = pytest.mark.timeout(30)

WEEK = timedelta(days=7)


def test_every_exception_names_a_test_that_runs_over_all_queues() -> None:
    names = (
        "test_queue",
        "test_queue_leases",
        "test_queue_order",
        "test_queue_settling",
    )
    modules = [importlib.import_module(f"tests.contract.{name}") for name in names]

    for exception in KAFKA_EXCEPTIONS:
        (test,) = [vars(each)[exception] for each in modules if exception in vars(each)]
        assert {"place", "queue"} & set(inspect.signature(test).parameters)


# Accepting


async def test_what_is_accepted_is_lent_as_it_was(queue: OpenQueue) -> None:
    await queue.accept(trigger(key="boiler"))

    lent = await lease(queue)

    assert lent.trigger == trigger(key="boiler")
    assert (lent.number, lent.repeats, lent.done) == (1, False, frozenset())


async def test_what_is_accepted_bears_the_revision_of_that_moment_for_good(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    then = await place.changes.revision()
    place.changes.number += 1

    for wait in (SECOND, DAY, DAY):  # in place, and in other topics
        lent = await lease(queue)
        assert lent.trigger.lifetime.revision == then
        await lent.settle(TryAgain(after=wait))
        await place.pass_time(wait)

    assert (await lease(queue)).trigger.lifetime.revision == then


async def test_what_is_redriven_bears_the_revision_of_that_moment(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, BURY)
    place.changes.number += 1

    await queue.redrive(letter(trigger()))
    await place.pass_time(place.retry_wait)

    now = await place.changes.revision()
    assert (await lease(queue)).trigger.lifetime.revision == now


@pytest.mark.parametrize(
    "filling", ["é", "水", "😀", "x", "\x7f", "\\u0001", "\\u6c34"], ids=ascii
)
async def test_the_largest_trigger_of_the_border_is_lent_as_it_was(
    queue: OpenQueue, filling: str
) -> None:
    head = f'{{"action": "{MAIL_ACTION}", "data": {{"unit": "C", "note": "'
    room = LARGEST_TRIGGER - len(head) - len('"}}')
    text = filling * (room // len(filling.encode()))
    large = Trigger.parse(f'{head}{text}"}}}}'.encode(), ORIGIN)

    await queue.accept(large)

    assert (await lease(queue)).trigger == large


async def test_the_deepest_trigger_of_the_border_is_lent_as_it_was(
    queue: OpenQueue,
) -> None:
    accepted: list[Trigger] = []
    for levels in range(DEEPEST + 1):
        for data in ('{"m": %s}', '[{"m": %s}]'):
            value = "[" * levels + "1" + "]" * levels
            raw = f'{{"action": "{MAIL_ACTION}", "data": {data % value}}}'
            with suppress(MalformedTrigger):
                trigger = Trigger.parse(raw.encode(), ORIGIN)
                id_ = f"t{len(accepted)}"
                accepted.append(replace(trigger, id=id_))

    for each in accepted:
        await queue.accept(each)

    assert len(accepted) > DEEPEST
    lent = {(held := await lease(queue)).trigger.id: held.trigger for _ in accepted}
    assert lent == {each.id: each for each in accepted}


def test_whatever_the_border_accepts_is_lent_as_it_was(adapter: Adapter) -> None:
    async def lend(accepted: Sequence[Trigger]) -> None:
        place = await adapter.make()
        async with place.open() as queue:
            for each in accepted:
                await queue.accept(each)
            for _ in accepted:
                held = await lease(queue)
                assert held.trigger == accepted[int(held.trigger.id)]
                await held.settle(Done())

    @settings(max_examples=adapter.examples // 10, deadline=None)
    @given(documents=st.lists(GOOD, min_size=20, max_size=40))
    def holds(documents: Sequence[Mapping[str, object]]) -> None:
        raws = [
            json.dumps({**each, "id": str(number)}, ensure_ascii=False).encode()
            for number, each in enumerate(documents)
        ]
        asyncio.run(lend([Trigger.parse(raw, ORIGIN) for raw in raws]))

    holds()


async def test_triggers_are_found_by_the_beginning_of_their_id(
    queue: OpenQueue,
) -> None:
    for id_ in ("door-2", "door-1", "Door-3", "floor"):
        await queue.accept(trigger(id_))
    for _ in range(4):  # a log knows what was claimed
        await settle_next(queue, Done())

    async def found(profile: str, *texts: str, most: int = 9) -> list[str]:
        return [*await queue.beginning(profile, Beginnings(texts, most))]

    assert await found(PROFILE, "door") == ["door-1", "door-2"]
    assert await found(PROFILE, "door-2", "floo") == ["door-2", "floor"]
    assert await found(PROFILE, "door", most=1) == ["door-1"]
    assert await found(OTHER_PROFILE, "door") == []


async def test_a_known_trigger_is_refused(queue: OpenQueue) -> None:
    answers = [await queue.accept(trigger()) for _ in range(3)]

    assert answers == [True, False, False]


async def test_a_known_trigger_is_lent_once(queue: OpenQueue) -> None:
    for _ in range(3):
        await queue.accept(trigger())

    kept = await lease(queue)

    assert kept.number == 1
    assert await next_due(queue) is None


async def test_a_settled_trigger_that_is_accepted_again_is_not_lent_again(
    queue: OpenQueue,
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, Done())

    await queue.accept(trigger())

    assert await next_due(queue) is None


async def test_of_the_same_trigger_twice_at_once_one_is_new(queue: OpenQueue) -> None:
    answers = await asyncio.gather(*(queue.accept(trigger()) for _ in range(8)))

    assert sorted(answers) == [False] * 7 + [True]


async def test_of_a_list_each_trigger_is_accepted_once(queue: OpenQueue) -> None:
    await queue.accept(trigger("t2"))

    new = await queue.accept_all([trigger("t1"), trigger("t2"), trigger("t1")])

    assert new == [True, False, False]
    assert {(await lease(queue)).trigger.id for _ in range(2)} == {"t1", "t2"}
    assert await next_due(queue) is None
    assert await queue.accept_all([]) == []


async def test_of_lists_at_once_each_trigger_is_new_in_one_of_them(
    queue: OpenQueue,
) -> None:
    ids = [f"t{number}" for number in range(9)]
    lists = [ids[:4], ids[2:7], [*ids[6:], ids[0]]]

    answers = await asyncio.gather(
        *(queue.accept_all([*map(trigger, each)]) for each in lists)
    )

    new = [
        id_
        for each, are_new in zip(lists, answers, strict=True)
        for id_, is_new in zip(each, are_new, strict=True)
        if is_new
    ]
    assert sorted(new) == ids
    assert sorted([(await lease(queue)).trigger.id for _ in ids]) == ids


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
        kept = await lease(after)
        assert kept.trigger == trigger()
        await after.accept(trigger())
        assert await next_due(after) is None, "it is known"


# Redriving


async def test_a_buried_trigger_can_be_redriven(place: Place, queue: OpenQueue) -> None:
    await queue.accept(trigger())
    await settle_next(queue, TryAgain(after=timedelta()))
    await place.pass_time(place.retry_wait)
    await settle_next(queue, BURY)
    await place.pass_time(WEEK / 2)
    before = place.clock.time

    assert await queue.redrive(letter(trigger()))

    after = place.clock.time
    await place.pass_time(place.retry_wait)
    again = await lease(queue)
    assert (again.number, again.done) == (1, BURY.done)
    raised_at = trigger().lifetime.raised_at
    assert again.trigger.lifetime.raised_at == raised_at
    assert before + DAY <= again.trigger.lifetime.deadline <= after + DAY


async def test_whose_token_published_a_trigger_is_known_until_it_is_forgotten(
    place: Place, queue: OpenQueue
) -> None:
    one, other = "a" * 24, "b" * 24
    await queue.accept(published_by(one, trigger()))
    await queue.accept(published_by(other, trigger()))  # it is known already

    assert await queue.publisher(PROFILE, "t1") == one
    assert await queue.publisher(PROFILE, "t2") is None
    assert await queue.publisher(OTHER_PROFILE, "t1") is None
    await settle_next(queue, BURY)
    assert await queue.publisher(PROFILE, "t1") == one
    await queue.redrive(letter(trigger()))
    await place.pass_time(place.retry_wait)
    assert (await lease(queue)).trigger.id == "t1"
    assert await queue.publisher(PROFILE, "t1") == one


async def test_a_forgotten_trigger_can_be_redriven(
    place: Place, queue: OpenQueue
) -> None:
    assert await queue.redrive(letter(trigger()))

    await place.pass_time(place.retry_wait)
    assert (await lease(queue)).done == BURY.done


async def test_redriving_wakes_a_lane(place: Place, queue: OpenQueue) -> None:
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await queue.redrive(letter(trigger()))
    await place.pass_time(place.retry_wait)

    assert await lane is not None


async def test_a_trigger_is_not_redriven_while_it_waits(queue: OpenQueue) -> None:
    await queue.redrive(letter(trigger()))

    assert not await queue.redrive(letter(trigger()))


async def test_a_trigger_is_not_redriven_twice(place: Place, queue: OpenQueue) -> None:
    await queue.redrive(letter(trigger()))
    await place.pass_time(place.retry_wait)

    held = await lease(queue)
    assert not await queue.redrive(letter(trigger()))
    await held.settle(Done())
    assert not await queue.redrive(letter(trigger()))
    assert await next_due(queue) is None


async def test_another_profiles_trigger_is_not_redriven(
    place: Place, queue: OpenQueue
) -> None:
    await queue.accept(trigger())
    await settle_next(queue, BURY)

    await queue.redrive(letter(trigger(profile=OTHER_PROFILE)))
    await place.pass_time(place.retry_wait)

    assert (await lease(queue)).trigger.profile == OTHER_PROFILE
    await queue.accept(trigger())
    assert await next_due(queue) is None, "it is known, and still buried"


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
