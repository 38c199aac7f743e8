"""The gate: nothing is leased that could only be put back."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from keyrelay.engine.gate import Gate
from keyrelay.model.audit import Report
from keyrelay.model.outcome import Delivered
from keyrelay.ports import Lease, LeaveLane, Unavailable
from tests.fakes import Clock, FakeLease, begun, stay
from tests.samples import NOON, a_trigger

SECOND = timedelta(seconds=1)
DONE = Report(outcome=Delivered("250 ok"))
SEALED = Unavailable("the vault is sealed: put its key file back")
LEASE = FakeLease(trigger=a_trigger())


@dataclass
class World:
    """A queue that always has a trigger, and what an attempt needs."""

    away: Unavailable | None = None  # what is asked before each lease
    fails: Unavailable | None = None  # what only an attempt meets
    asked: int = 0
    leased: int = 0
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def gate(self) -> Gate:
        return Gate(
            behind=self, ready=self.ready, tried=self.tried, sleep=self.clock.sleep
        )

    async def ready(self) -> None:
        self.asked += 1
        if self.away is not None:
            raise self.away

    async def lease(self, until: asyncio.Event) -> Lease | None:
        self.leased += 1
        return LEASE

    async def tried(self, lease: Lease, leave: LeaveLane) -> Report:
        if self.fails is not None:
            raise self.fails
        return DONE


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


async def test_nothing_is_leased_while_no_attempt_can_be_made() -> None:
    world = World(away=SEALED)
    gate = world.gate()

    lanes = [await begun(gate.lease(world.stop)) for _ in range(32)]
    for _ in range(60):
        await world.clock.pass_time(SECOND)

    assert world.leased == 0
    assert world.asked <= 61, "one lane asks for all of them"
    world.away = None
    await world.clock.pass_time(SECOND)
    assert await asyncio.gather(*lanes) == [LEASE] * 32


async def test_an_outage_is_said_once_and_its_end_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    world = World(away=SEALED)
    gate = world.gate()
    lanes = [await begun(gate.lease(world.stop)) for _ in range(3)]
    for _ in range(10):
        await world.clock.pass_time(SECOND)

    world.away = None
    await world.clock.pass_time(SECOND)
    await asyncio.gather(*lanes)
    await gate.lease(world.stop)

    assert said(caplog) == ["work is stopped", "work goes on"]
    assert vars(caplog.records[0])["reason"] == str(SEALED)


async def test_what_only_attempts_meet_stops_all_lanes_but_one_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    world = World(fails=SEALED)
    gate = world.gate()

    async def lane() -> None:
        while (lease := await gate.lease(world.stop)) is not None:
            try:
                await gate.attempt(lease, stay)
            except Unavailable:
                continue

    lanes = [await begun(lane()) for _ in range(8)]
    await world.clock.until_asleep()
    for _ in range(60):
        asleep = world.clock.next_sleep()
        world.clock.advance(SECOND)
        await asleep.wait()

    assert world.leased <= 8 + 60
    assert said(caplog) == ["work is stopped"]
    for task in lanes:
        task.cancel()
    await asyncio.wait(lanes)


async def test_an_attempt_that_can_be_made_again_ends_the_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    world = World(fails=SEALED)
    gate = world.gate()
    with pytest.raises(Unavailable):
        await gate.attempt(LEASE, stay)

    world.fails = None

    assert await gate.attempt(LEASE, stay) == DONE
    assert await gate.lease(world.stop) == LEASE, "at once"
    assert said(caplog) == ["work is stopped", "work goes on"]


async def test_a_lane_that_is_stopped_at_the_gate_ends() -> None:
    world = World(away=SEALED)
    lane = await begun(world.gate().lease(world.stop))

    world.stop.set()
    await world.clock.pass_time(SECOND)

    assert await lane is None
    assert world.leased == 0
