"""The supervisor keeps the view fresh and wakes what waits for a secret."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.pausing import PauseSharing, Untold
from keyrelay.engine.supervisor import Supervisor
from keyrelay.engine.worker import Worker
from keyrelay.model.audit import Report
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Delivered
from keyrelay.model.pause import SharedPause
from keyrelay.model.world import World
from keyrelay.ports import Lease, LeaveLane, Unavailable
from keyrelay.stores.pauses import worker_pauses
from tests.contract.stores.ground import in_a_file
from tests.contract.stores.house import ADA, House, open_house, smtp_secret
from tests.fakes import FakeAuditLog, FakeDeadLetters, Story
from tests.samples import NOON, PROFILE

GRACE = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


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
        conclusion=Conclusion(
            audit=FakeAuditLog(story), dead_letters=FakeDeadLetters(story), world=world
        ),
        lanes=1,
        world=world,
    )
    waiting: asyncio.Queue[str] = asyncio.Queue()
    for secret in resumed:
        waiting.put_nowait(secret)
    untold = Untold()
    circuits = Circuits(now=world.now, wake=waiting.put_nowait)
    breaker = Breaker(slow_limit=1, circuits=circuits, told=untold.note)
    pauses = worker_pauses(house.database, world)
    return Supervisor(
        worker=worker,
        definitions=house.catalog,
        pauses=PauseSharing(breaker=breaker, pauses=pauses, world=world, untold=untold),
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


async def test_pauses_that_stand_are_obeyed_before_work_begins_and_end_while_it_runs(
    house: House,
) -> None:
    waker, stop = FakeWaker(), asyncio.Event()
    secret = (await house.secrets.create(PROFILE, smtp_secret(), ADA)).secret
    others = worker_pauses(house.database, house.audit_log.world)
    pause = SharedPause(
        secret=secret.id,
        version=secret.version,
        reason="535 no",
        length=MINUTE,
        probe_at=NOON + MINUTE,
    )
    await others.keep_refused(pause)
    under_test = supervisor(house, waker)
    circuits, held = under_test.pauses.breaker.circuits, []
    working = asyncio.create_task(
        under_test.work(stop, GRACE, lambda: held.append(circuits.holds(secret.id)))
    )

    await waker.woke.wait()
    waker.woke.clear()
    await others.end_refused(secret.id, secret.version)
    await waker.woke.wait()
    stop.set()
    await working

    assert held == [True]
    assert waker.woken == ["all", secret.id]
