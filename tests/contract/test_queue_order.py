"""Order by key: one at a time, in order, and no key is ever stuck."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyrelay.model.settlement import Done, Settlement, TryAgain
from keyrelay.ports import Lease
from tests.contract.queues import (
    BURY,
    LEASE,
    SECOND,
    Adapter,
    OpenQueue,
    Place,
    Stop,
    letter,
    next_due,
    trigger,
)
from tests.samples import DAY, OTHER_PROFILE, PROFILE

pytest_plugins = ["tests.contract.queue_fixtures"]
pytestmark = pytest.mark.timeout(60)

SOON = TryAgain(after=SECOND)
LATER = TryAgain(after=timedelta(minutes=5))
ENDS: tuple[Settlement, ...] = (Done(), BURY, SOON, LATER)
LETS_GO = "test_a_lease_that_its_lane_let_go_of_goes_back"


@pytest.fixture
async def queue(place: Place) -> AsyncIterator[OpenQueue]:
    async with place.open(ordered=True) as queue:
        yield queue


async def all_due(queue: OpenQueue) -> list[Lease]:
    lent = []
    while (lease := await next_due(queue)) is not None:
        lent.append(lease)
    return lent


def ids(leases: list[Lease]) -> list[str]:
    return [lease.trigger.id for lease in leases]


async def test_triggers_of_one_key_are_lent_one_at_a_time(queue: OpenQueue) -> None:
    for id_ in ("t1", "t2", "t3"):
        await queue.accept(trigger(id_, key="boiler"))

    lent = await all_due(queue)

    assert ids(lent) == ["t1"]


async def test_triggers_of_one_key_accepted_at_once_are_lent_one_at_a_time(
    queue: OpenQueue,
) -> None:
    triggers = [trigger(f"t{number}", key="boiler") for number in range(5)]

    await asyncio.gather(*map(queue.accept, triggers))

    lent = await all_due(queue)
    assert ids(lent) == ["t0"]


@pytest.mark.parametrize("end", [Done(), BURY], ids=["done", "buried"])
async def test_the_next_of_a_key_is_due_at_once_when_the_first_is_settled(
    queue: OpenQueue, end: Settlement
) -> None:
    for id_ in ("t1", "t2", "t3"):
        await queue.accept(trigger(id_, key="boiler"))
    (first,) = await all_due(queue)
    stop = Stop()
    lane = asyncio.create_task(queue.lease(stop))
    await stop.awaited.wait()

    await first.settle(end)

    second = await lane
    assert second is not None
    assert second.trigger.id == "t2"
    assert await all_due(queue) == []


async def test_a_retried_trigger_holds_back_only_its_own_key(
    queue: OpenQueue,
) -> None:
    await queue.accept(trigger("t1", key="boiler"))
    (first,) = await all_due(queue)
    for id_, key in (("t2", "boiler"), ("t3", "pump"), ("t4", None), ("t5", None)):
        await queue.accept(trigger(id_, key=key))

    await first.settle(LATER)

    lent = await all_due(queue)
    assert sorted(ids(lent)) == ["t3", "t4", "t5"]


async def test_the_same_key_in_two_profiles_is_two_keys(queue: OpenQueue) -> None:
    await queue.accept(trigger("t1", key="boiler", profile=PROFILE))
    await queue.accept(trigger("t2", key="boiler", profile=OTHER_PROFILE))

    lent = await all_due(queue)

    assert ids(lent) == ["t1", "t2"]


async def test_a_known_trigger_is_not_lent_again_before_others_of_its_key(
    queue: OpenQueue,
) -> None:
    await queue.accept(trigger("t1", key="boiler"))
    (first,) = await all_due(queue)
    await first.settle(Done())

    await queue.accept(trigger("t1", key="boiler"))
    await queue.accept(trigger("t2", key="boiler"))

    lent = await all_due(queue)
    assert ids(lent) == ["t2"]


async def test_a_redriven_trigger_comes_after_all_others_of_its_key(
    place: Place, queue: OpenQueue
) -> None:
    for id_ in ("t1", "t2", "t3"):
        await queue.accept(trigger(id_, key="boiler"))
    (first,) = await all_due(queue)
    await first.settle(BURY)
    (second,) = await all_due(queue)

    await queue.redrive(letter(trigger("t1", key="boiler")))
    assert await all_due(queue) == [], "the second is still on loan"
    await place.pass_time(place.retry_wait)
    await second.settle(Done())

    (third,) = await all_due(queue)
    assert third.trigger.id == "t3"
    await third.settle(Done())
    last = await all_due(queue)
    assert ids(last) == ["t1"]


async def test_a_redriven_trigger_that_is_alone_with_its_key_is_due(
    place: Place, queue: OpenQueue
) -> None:
    await queue.redrive(letter(trigger("t1", key="boiler")))
    await place.pass_time(place.retry_wait)

    lent = await all_due(queue)
    assert ids(lent) == ["t1"]


async def test_no_trigger_is_stuck_after_ordering_was_turned_off(place: Place) -> None:
    async with place.open(ordered=True) as before:
        for id_ in ("t1", "t2", "t3"):
            await before.accept(trigger(id_, key="boiler"))

    async with place.open() as after:
        settled = []
        for _ in range(3):
            for lease in await all_due(after):
                await lease.settle(Done())
                settled.append(lease.trigger.id)

    assert sorted(settled) == ["t1", "t2", "t3"]


# Any interleaving, against a model


@dataclass(frozen=True, slots=True)
class Accept:
    key: str | None


@dataclass(frozen=True, slots=True)
class LeaseOne:
    pass


@dataclass(frozen=True, slots=True)
class Settle:
    which: int
    end: Settlement


@dataclass(frozen=True, slots=True)
class LetGo:
    """The lane that holds a lease dies."""

    which: int


@dataclass(frozen=True, slots=True)
class Pass:
    time: timedelta


Step: TypeAlias = Accept | LeaseOne | Settle | LetGo | Pass

WHICH = st.integers(0, 7)
STEPS = st.lists(
    st.one_of(
        st.builds(Accept, st.sampled_from(["boiler", "pump", None])),
        st.builds(LeaseOne),
        st.builds(Settle, WHICH, st.sampled_from(ENDS)),
        st.builds(LetGo, WHICH),
        st.builds(Pass, st.sampled_from([SECOND, LEASE, timedelta(minutes=5)])),
    ),
    max_size=30,
)


@dataclass(slots=True)
class Model:
    """The ids of each key in order, of which only the first may be leased.

    `lets_go` is whether a lease goes back that its lane has let go of.
    """

    lets_go: bool
    ids: dict[str, list[str]] = field(default_factory=dict)
    held: list[Lease] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    accepted: int = 0

    async def take(self, step: Step, queue: OpenQueue, place: Place) -> None:
        match step:
            case Accept(key):
                await self.accept(queue, key)
            case LeaseOne():
                await self.lease(queue)
            case Settle(which, end) if self.held:
                lease = self.held.pop(which % len(self.held))
                await self.settle(lease, end)
            case LetGo(which) if self.held and self.lets_go:
                self.held.pop(which % len(self.held))
            case Pass(time):
                await place.pass_time(time)
            case _:
                pass

    async def accept(self, queue: OpenQueue, key: str | None) -> None:
        id_ = f"t{self.accepted}"
        self.accepted += 1
        # Without a key a trigger is as if it were alone with a key.
        self.ids.setdefault(key or id_, []).append(id_)
        assert await queue.accept(trigger(id_, key=key))

    async def lease(self, queue: OpenQueue) -> bool:
        lease = await next_due(queue)
        if lease is None:
            return False
        ids = self.ids[lease.trigger.key or lease.trigger.id]
        assert lease.trigger.id == ids[0], "only the first of a key is lent"
        held = [other.trigger.id for other in self.held]
        assert lease.trigger.id not in held, "and to one holder at a time"
        self.held.append(lease)
        return True

    async def settle(self, lease: Lease, end: Settlement) -> None:
        await lease.settle(end)
        if not isinstance(end, TryAgain):
            self.settled.append(lease.trigger.id)
            self.ids[lease.trigger.key or lease.trigger.id].remove(lease.trigger.id)

    async def finish(self, queue: OpenQueue, place: Place) -> None:
        """Whatever is left is lent and settled in the end; no key is stuck."""
        for lease in [] if self.lets_go else self.held:
            await self.settle(lease, Done())
        self.held.clear()
        for _ in range(self.accepted):
            await place.pass_time(DAY)
            while await self.lease(queue):
                await self.settle(self.held.pop(), Done())
        accepted = [f"t{number}" for number in range(self.accepted)]
        assert sorted(self.settled) == sorted(accepted)


def test_order_holds_whatever_happens(adapter: Adapter) -> None:
    lets_go = LETS_GO not in adapter.exceptions

    async def live_through(steps: list[Step]) -> None:
        place, model = await adapter.make(), Model(lets_go=lets_go)
        async with place.open(ordered=True) as queue:
            for step in steps:
                await model.take(step, queue, place)
            await model.finish(queue, place)

    @settings(max_examples=adapter.examples, deadline=None)
    @given(steps=STEPS)
    def holds(steps: list[Step]) -> None:
        asyncio.run(live_through(steps))

    holds()
