"""Lanes: which of them hold a trigger, and how long what waits will take them."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.backlog import Lag
from keyrelay.observability.lanes import Lanes, Pace
from keyrelay.ports import Lease, Unavailable
from tests.fakes import FakeLease
from tests.samples import a_trigger

SECOND = timedelta(seconds=1)
NEVER = asyncio.Event()
STOPPED = asyncio.Event()
STOPPED.set()


@dataclass
class Queue:
    """It lends what it was given, and then waits until the lane is stopped."""

    answers: list[Lease | Unavailable | None] = field(default_factory=list)

    async def lease(self, until: asyncio.Event) -> Lease | None:
        if not self.answers:
            await until.wait()
            return None
        answer = self.answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer


@dataclass
class Ticking:
    """A clock in seconds, which the test advances."""

    time: float = 1000

    def __call__(self) -> float:
        return self.time


def leases(count: int) -> list[Lease | Unavailable | None]:
    return [FakeLease(trigger=a_trigger(id_=f"t{n}")) for n in range(count)]


def lag(waiting: int, age: timedelta = SECOND) -> Lag:
    return Lag(topic="queue", waiting=waiting, age=age)


async def lane(lanes: Lanes, holding: timedelta, clock: Ticking, turns: int) -> None:
    """Lease and hold a trigger, `turns` times."""
    for _ in range(turns):
        await lanes.lease(NEVER)
        clock.time += holding.total_seconds()


async def test_a_lane_is_busy_from_its_lease_until_it_asks_for_another() -> None:
    lanes = Lanes(behind=Queue(leases(2)), total=2)
    seen = [lanes.busy]

    for until in (NEVER, NEVER, STOPPED):
        await lanes.lease(until)
        seen.append(lanes.busy)

    assert seen == [0, 1, 1, 0]


async def test_lanes_are_busy_each_for_itself() -> None:
    lanes = Lanes(behind=Queue(leases(2)), total=2)

    await asyncio.create_task(lanes.lease(NEVER))
    await asyncio.create_task(lanes.lease(NEVER))

    assert lanes.busy == 2


async def test_a_lane_that_was_lent_nothing_is_not_busy() -> None:
    first = leases(1)
    lanes = Lanes(behind=Queue([*first, Unavailable("gone"), None]), total=1)

    lease = await lanes.lease(NEVER)
    with pytest.raises(Unavailable, match="gone"):
        await lanes.lease(NEVER)
    after_a_fault = lanes.busy
    nothing = await lanes.lease(NEVER)

    assert lease is first[0]
    assert nothing is None
    assert (after_a_fault, lanes.busy) == (0, 0)


async def test_the_pace_is_what_the_lanes_settled_while_they_held_any() -> None:
    clock = Ticking()
    lanes = Lanes(behind=Queue(leases(11)), total=4, clock=clock)
    await lane(lanes, SECOND / 2, clock, turns=11)
    clock.time += 50 - 0.5  # the eleventh is still held

    pace = lanes.pace()

    assert pace == Pace(lanes=4, settled=10, held=55 * SECOND)


async def test_what_is_put_back_without_an_attempt_is_no_progress() -> None:
    clock = Ticking()
    lanes = Lanes(behind=Queue(leases(9)), total=4, clock=clock)
    for _ in range(8):
        await lanes.lease(NEVER)
        lanes.put_back()
        clock.time += 1
    await lanes.lease(NEVER)

    pace = lanes.pace()

    assert pace == Pace(lanes=4, settled=0, held=8 * SECOND)
    assert pace.time_to_drain(lag(5, age=60 * SECOND)) == 60 * SECOND, "it grows"


async def test_a_lane_that_was_left_has_done_its_part_and_is_busy_no_more() -> None:
    clock = Ticking()
    lanes = Lanes(behind=Queue(leases(2)), total=4, clock=clock)
    await lanes.lease(NEVER)
    leave = lanes.leaving()
    clock.time += 1

    leave()
    clock.time += 600
    lanes.put_back()  # what the attempt came to in the end

    assert lanes.busy == 0
    assert lanes.pace() == Pace(lanes=4, settled=1, held=SECOND)
    await lanes.lease(NEVER)
    assert lanes.pace().settled == 1


async def test_hours_of_idleness_do_not_slow_the_pace() -> None:
    clock = Ticking()
    lanes = Lanes(behind=Queue(leases(10)), total=4, clock=clock)
    await lane(lanes, SECOND / 2, clock, turns=10)
    await lanes.lease(STOPPED)

    clock.time += 7200

    assert lanes.pace() == Pace(lanes=4, settled=10, held=5 * SECOND)


async def test_what_is_older_than_a_minute_does_not_count() -> None:
    clock = Ticking()
    lanes = Lanes(behind=Queue(leases(31)), total=1, clock=clock)
    seen: list[int] = []

    for _ in range(3):
        await lane(lanes, SECOND, clock, turns=10)
        seen.append(lanes.pace().settled)
        clock.time += 30
    clock.time += 60
    lanes.pace()

    # Of ten that a lane took, it has settled nine until it asks again.
    assert seen == [9, 19, 20]
    assert lanes.pace().settled == 0


def test_all_lanes_at_work_drain_what_waits_at_their_pace() -> None:
    pace = Pace(lanes=32, settled=640, held=64 * SECOND)

    # A tenth of a second each, thirty-two at once: 320 a second.
    assert pace.time_to_drain(lag(3200)) == 10 * SECOND
    assert pace.time_to_drain(lag(0)) == timedelta()


def test_lanes_that_settle_nothing_need_no_less_than_what_waits_has_waited() -> None:
    idle = Pace(lanes=32, settled=0, held=timedelta())
    stuck = Pace(lanes=2, settled=0, held=600 * SECOND)

    assert idle.time_to_drain(lag(0)) == timedelta()
    assert idle.time_to_drain(lag(5, age=90 * SECOND)) == 90 * SECOND
    assert stuck.time_to_drain(lag(5, age=90 * SECOND)) == 1500 * SECOND


@given(
    waiting=st.integers(0, 10**9),
    settled=st.integers(0, 10**9),
    held=st.floats(0, 1024 * 3600),
)
def test_the_time_to_drain_is_never_infinite(
    waiting: int, settled: int, held: float
) -> None:
    pace = Pace(lanes=1024, settled=settled, held=timedelta(seconds=held))

    assert timedelta() <= pace.time_to_drain(lag(waiting)) <= timedelta(days=365)
