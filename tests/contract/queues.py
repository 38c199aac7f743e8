"""Queues: every way to open one, for the suites that run over them all."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, Protocol

from keyrelay.model.data_point import DataPoint
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury, Settlement
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Inbox, Lease, Queue, Waker
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import open_queue
from tests.fakes import Clock
from tests.memory_queue import MemoryQueue, Shelf
from tests.samples import DAY, NOON, PROFILE, a_trigger

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
POINT = DataPoint({Fact.VARIABLE: "temperature"}, {"variable": "temperature"})
BURY = Bury(reason="refused", fault=Fault.DEFINITION, done=frozenset({"a@b.example"}))


class OpenQueue(Inbox, Queue, Waker, Protocol):
    """Both ends of a queue."""


class UntilIdle(asyncio.Event):
    """Sets itself as soon as a queue has nothing to lend and begins to wait."""

    async def wait(self) -> Literal[True]:
        self.set()
        return True


class Stop(asyncio.Event):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.awaited.set()
        return await super().wait()


class Open(Protocol):
    """Opens a queue again and again over the same triggers.

    A `stalled` one does nothing of its own accord, as if its process were stopped.
    """

    def __call__(
        self, *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AbstractAsyncContextManager[OpenQueue]: ...


@dataclass(kw_only=True)
class Place:
    """Where queues are opened; `upkeep` are the tasks of each that wait for time."""

    clock: Clock
    open: Open
    upkeep: list[int] = field(default_factory=list)

    async def pass_time(self, by: timedelta) -> None:
        """Return once the queues have done what they do when time passes."""
        self.clock.advance(by)
        await self.clock.until_asleep(sum(self.upkeep))


def in_memory(_: Path) -> Place:
    clock, shelf = Clock(time=NOON), Shelf()

    @asynccontextmanager
    async def open_(
        *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AsyncIterator[OpenQueue]:
        queue = MemoryQueue(
            world=clock.world(), shelf=shelf, ordered=ordered, drain=drain
        )
        queue.closed = stalled
        yield queue
        queue.closed = True

    return Place(clock=clock, open=open_)


def in_sqlite(folder: Path) -> Place:
    clock = Clock(time=NOON)
    place = Place(clock=clock, open=in_memory(folder).open)
    world = a_world(clock)

    @asynccontextmanager
    async def open_(
        *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AsyncIterator[OpenQueue]:
        options = SqliteOptions(ordered=ordered, drain=drain, lease=LEASE)
        its_world = replace(world, sleep=forever) if stalled else world
        async with open_queue(folder / "queue.db", its_world, options) as queue:
            place.upkeep.append(0 if stalled else 3)
            await clock.until_asleep(sum(place.upkeep))
            yield queue
        place.upkeep.pop()

    place.open = open_
    return place


PLACES: tuple[Callable[[Path], Place], ...] = (in_memory, in_sqlite)


def a_world(clock: Clock) -> World:
    ids = itertools.count(1)
    return replace(clock.world(), new_id=lambda _: f"{next(ids):024x}")


async def forever(_: timedelta) -> None:
    await asyncio.Event().wait()


def trigger(id_: str = "t1", key: str | None = None, profile: str = PROFILE) -> Trigger:
    return replace(a_trigger(POINT, id_=id_), key=key, profile=profile)


def letter(of: Trigger) -> DeadLetter:
    return DeadLetter(trigger=of, settlement=BURY, attempts=3, buried_at=NOON + DAY)


async def next_due(queue: OpenQueue) -> Lease | None:
    return await queue.lease(UntilIdle())


async def lease(queue: OpenQueue) -> Lease:
    lease = await next_due(queue)
    assert lease is not None
    return lease


async def settle_next(queue: OpenQueue, settlement: Settlement) -> None:
    await (await lease(queue)).settle(settlement)
