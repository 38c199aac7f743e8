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
from keyrelay.ports import Lease, LeaveLane, Unavailable
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
class FakeWaker:
    """Records which secrets were woken; the first `faults` calls raise Unavailable."""

    faults: int = 0
    woken: list[str] = field(default_factory=list)
    woke: asyncio.Event = field(default_factory=asyncio.Event)

    async def wake(self, secret: str) -> None:
        await self._record(secret)

    async def wake_all(self) -> None:
        await self._record("all")

    async def _record(self, secret: str) -> None:
        if self.faults:
            self.faults -= 1
            raise Unavailable("the queue does not answer")
        self.woken.append(secret)
        self.woke.set()


async def deliver(_: Lease, __: LeaveLane) -> Report:
    return Report(outcome=Delivered("taken"))


async def breathe(_: timedelta) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(in_a_file(tmp_path)) as house:
        yield house


def supervisor(house: House, waker: FakeWaker, *resumed: str) -> Supervisor:
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
        waker=waker,
        resumed=waiting,
    )


@pytest.mark.parametrize("faults", [0, 3], ids=["at once", "in the end"])
async def test_all_that_waits_may_try_when_work_begins(
    house: House, faults: int
) -> None:
    waker, stop = FakeWaker(faults=faults), asyncio.Event()
    working = asyncio.create_task(
        supervisor(house, waker).work(stop, GRACE, lambda: None)
    )

    await waker.woke.wait()
    stop.set()
    await working

    assert waker.woken == ["all"]


async def test_what_waits_for_a_secret_is_woken_however_long_it_takes(
    house: House,
) -> None:
    waker, stop = FakeWaker(), asyncio.Event()
    working = asyncio.create_task(
        supervisor(house, waker, "one", "two").work(stop, GRACE, lambda: None)
    )
    await waker.woke.wait()
    waker.faults = 2

    while len(waker.woken) < 3:
        waker.woke.clear()
        await waker.woke.wait()
    stop.set()
    await working

    assert waker.woken == ["all", "one", "two"]
