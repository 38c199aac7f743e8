"""The supervisor keeps the view fresh and wakes what waits for a secret."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.engine.supervisor import Supervisor
from keyrelay.engine.worker import Worker
from keyrelay.model.audit import Report
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Delivered
from keyrelay.model.world import World
from keyrelay.ports import Lease, Unavailable
from tests.contract.stores.ground import in_a_file
from tests.contract.stores.house import House, open_house
from tests.fakes import FakeAuditLog, FakeDeadLetters, Story
from tests.samples import NOON

GRACE = timedelta(seconds=1)


class Idle:
    """A queue with nothing in it."""

    async def lease(self, until: asyncio.Event) -> Lease | None:
        await until.wait()
        return None


@dataclass
class Bell:
    """Writes down who was woken; it does not answer the first `faults` times."""

    faults: int = 0
    woken: list[str] = field(default_factory=list)
    rung: asyncio.Event = field(default_factory=asyncio.Event)

    async def wake(self, secret: str) -> None:
        await self._ring(secret)

    async def wake_all(self) -> None:
        await self._ring("all")

    async def _ring(self, whom: str) -> None:
        if self.faults:
            self.faults -= 1
            raise Unavailable("the queue does not answer")
        self.woken.append(whom)
        self.rung.set()


async def deliver(_: Lease) -> Report:
    return Report(outcome=Delivered("taken"))


async def breathe(_: timedelta) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(in_a_file(tmp_path)) as house:
        yield house


def supervisor(house: House, bell: Bell, *resumed: str) -> Supervisor:
    story = Story()
    world = World(now=lambda: NOON, chance=lambda: 0.5, new_id=new_id, sleep=breathe)
    worker = Worker(
        queue=Idle(),
        attempt=deliver,
        audit=FakeAuditLog(story),
        dead_letters=FakeDeadLetters(story),
        lanes=1,
        world=world,
    )
    waiting: asyncio.Queue[str] = asyncio.Queue()
    for secret in resumed:
        waiting.put_nowait(secret)
    return Supervisor(
        worker=worker,
        definitions=house.catalog,
        waker=bell,
        resumed=waiting,
    )


@pytest.mark.parametrize("faults", [0, 3], ids=["at once", "in the end"])
async def test_all_that_waits_may_try_when_work_begins(
    house: House, faults: int
) -> None:
    bell, stop = Bell(faults=faults), asyncio.Event()
    working = asyncio.create_task(
        supervisor(house, bell).work(stop, GRACE, lambda: None)
    )

    await bell.rung.wait()
    stop.set()
    await working

    assert bell.woken == ["all"]


async def test_what_waits_for_a_secret_is_woken_however_long_it_takes(
    house: House,
) -> None:
    bell, stop = Bell(), asyncio.Event()
    working = asyncio.create_task(
        supervisor(house, bell, "one", "two").work(stop, GRACE, lambda: None)
    )
    await bell.rung.wait()
    bell.faults = 2

    while len(bell.woken) < 3:
        bell.rung.clear()
        await bell.rung.wait()
    stop.set()
    await working

    assert bell.woken == ["all", "one", "two"]
