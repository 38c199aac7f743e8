"""The outlook: what answers, what does not and why; and nobody waits for it long."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from keyrelay.model.backlog import Lag
from keyrelay.observability.readiness import (
    FRESH,
    SILENCE,
    UNASKED,
    Component,
    Readiness,
    Waiting,
)
from keyrelay.ports import Unavailable

MOMENT = timedelta(milliseconds=1)
LAGS = (Lag(topic="queue", waiting=3, age=timedelta(seconds=9)),)


@dataclass
class World:
    """A clock, and something that is asked: it answers, or raises, or hangs."""

    time: float = 1000
    fault: Exception | None = None
    hangs: bool = False
    asked: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> float:
        return self.time

    async def ask(self) -> None:
        self.asked += 1
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
    waiting = Waiting(ask=world.lags)
    parts = {"queue": Component(ask=waiting.look, clock=world.clock)}
    return Readiness(parts=parts, waiting=waiting, patience=MOMENT)


async def test_before_anybody_looked_nothing_is_taken_for_ready() -> None:
    readiness = over(World())

    assert readiness.faults() == {"queue": UNASKED}
    assert readiness.waiting.lags == ()


async def test_what_answers_is_ready_and_its_answer_known() -> None:
    readiness = over(World())

    await readiness.look()

    assert readiness.faults() == {}
    assert readiness.waiting.lags == LAGS


async def test_what_does_not_answer_says_why_until_it_does() -> None:
    world = World(fault=Unavailable("the queue's disk is full"))
    readiness = over(world)

    await readiness.look()
    full = readiness.faults()
    world.fault = None
    world.pass_by(FRESH)
    await readiness.look()

    assert full == {"queue": "the queue's disk is full"}
    assert readiness.faults() == {}


async def test_an_old_lag_is_not_shown_as_if_it_were_todays() -> None:
    world = World()
    readiness = over(world)
    await readiness.look()

    world.fault = Unavailable("gone")
    world.pass_by(FRESH)
    await readiness.look()

    assert readiness.waiting.lags == ()


async def test_whoever_asks_often_is_told_the_same() -> None:
    world = World()
    readiness = over(world)

    for _ in range(100):
        await readiness.look()
    world.pass_by(FRESH - MOMENT)
    await readiness.look()
    within = world.asked
    world.pass_by(MOMENT)
    await readiness.look()

    assert within == 1
    assert world.asked == 2


async def test_many_who_ask_at_once_ask_once() -> None:
    world = World(hangs=True)
    readiness = over(world)

    looking = [asyncio.create_task(readiness.look()) for _ in range(10)]
    await asyncio.sleep(0)
    world.answered.set()
    await asyncio.gather(*looking)

    assert world.asked == 1
    assert readiness.faults() == {}


async def test_a_part_that_hangs_keeps_nobody_and_is_asked_once() -> None:
    world = World(hangs=True)
    readiness = over(world)

    await readiness.look()
    world.pass_by(FRESH)
    await readiness.look()
    at_first = readiness.faults()
    world.pass_by(SILENCE)
    in_the_end = readiness.faults()
    await readiness.close()

    assert world.asked == 1
    assert at_first == {"queue": UNASKED}
    assert in_the_end == {"queue": "it has not answered for 7 seconds"}


async def test_a_part_that_was_ready_stays_so_through_a_slow_answer() -> None:
    world = World()
    readiness = over(world)
    await readiness.look()

    world.hangs = True
    world.pass_by(FRESH)
    await readiness.look()
    world.pass_by(SILENCE)
    slow = readiness.faults()
    world.pass_by(MOMENT)
    silent = readiness.faults()
    await readiness.close()

    assert slow == {}
    assert set(silent) == {"queue"}


async def test_what_fails_as_nobody_foresaw_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(fault=KeyError("canary-71c3"))
    readiness = over(world)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )

    await readiness.look()

    assert readiness.faults() == {"queue": "it failed unexpectedly; the log says how"}
    assert told == ["Task exception was never retrieved"]
    assert caplog.text == ""
