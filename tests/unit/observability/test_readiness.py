"""Readiness: what answers, what does not and why, within a bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from keyrelay.model.backlog import Lag
from keyrelay.observability.readiness import (
    FRESH_FOR,
    SILENT_AFTER,
    UNCHECKED,
    Component,
    QueueLag,
    Readiness,
)
from keyrelay.ports import Unavailable

MOMENT = timedelta(milliseconds=1)
LAGS = (Lag(topic="queue", waiting=3, age=timedelta(seconds=9)),)


@dataclass
class World:
    """A clock, and a component whose check returns, raises or hangs."""

    time: float = 1000
    fault: Exception | None = None
    hangs: bool = False
    asked: int = 0
    checked: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> float:
        return self.time

    async def ask(self) -> None:
        self.asked += 1
        self.checked.set()
        if self.hangs:
            await self.answered.wait()
        if self.fault is not None:
            raise self.fault

    async def lags(self) -> Sequence[Lag]:
        await self.ask()
        return LAGS

    def pass_by(self, time: timedelta) -> None:
        self.time += time.total_seconds()


def over(world: World) -> Readiness:
    queue_lag = QueueLag(read=world.lags)
    components = {"queue": Component(check=queue_lag.refresh, clock=world.clock)}
    return Readiness(components=components, queue_lag=queue_lag, timeout=MOMENT)


async def test_nothing_is_ready_before_it_was_checked() -> None:
    readiness = over(World())

    assert readiness.faults() == {"queue": UNCHECKED}
    assert readiness.queue_lag.lags == ()


async def test_what_answers_is_ready_and_its_answer_is_kept() -> None:
    readiness = over(World())

    await readiness.refresh()

    assert readiness.faults() == {}
    assert readiness.queue_lag.lags == LAGS


async def test_what_does_not_answer_says_why_until_it_does() -> None:
    world = World(fault=Unavailable("the queue's disk is full"))
    readiness = over(world)

    await readiness.refresh()
    full = readiness.faults()
    world.fault = None
    world.pass_by(FRESH_FOR)
    await readiness.refresh()

    assert full == {"queue": "the queue's disk is full"}
    assert readiness.faults() == {}


async def test_an_old_lag_is_not_shown_as_a_new_one() -> None:
    world = World()
    readiness = over(world)
    await readiness.refresh()

    world.fault = Unavailable("gone")
    world.pass_by(FRESH_FOR)
    await readiness.refresh()

    assert readiness.queue_lag.lags == ()


async def test_frequent_probes_share_one_check() -> None:
    world = World()
    readiness = over(world)

    for _ in range(100):
        await readiness.refresh()
    world.pass_by(FRESH_FOR - MOMENT)
    await readiness.refresh()
    within = world.asked
    world.pass_by(MOMENT)
    await readiness.refresh()

    assert within == 1
    assert world.asked == 2


async def test_concurrent_probes_share_one_check() -> None:
    world = World(hangs=True)
    readiness = over(world)

    looking = [asyncio.create_task(readiness.refresh()) for _ in range(10)]
    await world.checked.wait()
    world.answered.set()
    await asyncio.gather(*looking)

    assert world.asked == 1
    assert readiness.faults() == {}


async def test_a_component_that_hangs_delays_no_probe_and_is_checked_once() -> None:
    world = World(hangs=True)
    readiness = over(world)

    await readiness.refresh()
    world.pass_by(FRESH_FOR)
    await readiness.refresh()
    at_first = readiness.faults()
    world.pass_by(SILENT_AFTER)
    in_the_end = readiness.faults()
    await readiness.close()

    assert world.asked == 1
    assert at_first == {"queue": UNCHECKED}
    assert in_the_end == {"queue": "it has not answered for 7 seconds"}


async def test_a_component_that_was_ready_stays_ready_through_a_slow_answer() -> None:
    world = World()
    readiness = over(world)
    await readiness.refresh()

    world.hangs = True
    world.pass_by(FRESH_FOR)
    await readiness.refresh()
    world.pass_by(SILENT_AFTER)
    slow = readiness.faults()
    world.pass_by(MOMENT)
    silent = readiness.faults()
    await readiness.close()

    assert slow == {}
    assert set(silent) == {"queue"}


async def test_what_fails_unexpectedly_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(fault=KeyError("canary-71c3"))
    readiness = over(world)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )

    await readiness.refresh()

    assert readiness.faults() == {"queue": "it failed unexpectedly; the log says how"}
    assert told == ["Task exception was never retrieved"]
    assert caplog.text == ""
