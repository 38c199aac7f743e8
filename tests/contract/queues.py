"""Queues: what the suites over all adapters open, and what a log cannot promise."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, Protocol

from keyrelay.model.data_point import DataPoint
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.outcome import Fault
from keyrelay.model.revision import Revision
from keyrelay.model.settlement import Bury, Settlement
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Inbox, Lease, Queue, Waker
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import open_queue
from tests.fakes import Clock
from tests.memory_queue import MemoryQueue, Storage
from tests.samples import DAY, MAIL_ACTION, NOON, PROFILE, a_trigger

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
POINT = DataPoint({Fact.VARIABLE: "temperature"}, {"variable": "temperature"})
BURY = Bury(reason="refused", fault=Fault.DEFINITION, done=frozenset({"a@b.example"}))

_ACCEPT = "a log is only appended to: what is known is passed over when it is taken"
_REDRIVE = "whether it waits in the log is known only once it is taken from there"

# The promises that a queue in Kafka does not keep: the test of each, and why. Each test
# still runs over Kafka, and has to fail.
KAFKA_EXCEPTIONS: Mapping[str, str] = {
    "test_a_settled_trigger_is_known_for_seven_days": _ACCEPT,
    "test_a_trigger_is_not_redriven_while_it_waits": _REDRIVE,
    "test_a_lease_that_its_lane_let_go_of_goes_back": (
        "a claim ends with its worker: a lane that dies takes the worker with it"
    ),
}


class OpenQueue(Inbox, Queue, Waker, Protocol):
    """Both ends of a queue."""

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """As ports.Backlog."""

    async def publisher(self, profile: str, id_: str) -> str | None:
        """As ports.Backlog."""


class UntilIdle(asyncio.Event):
    """Sets itself as soon as a queue has nothing to lend and begins to wait."""

    async def wait(self) -> Literal[True]:
        self.set()
        return True


class Stop(asyncio.Event):
    """A stop that tells once it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.awaited.set()
        return await super().wait()


@dataclass(slots=True)
class Changes:
    """How many changes of definitions there were."""

    number: int = 1

    async def revision(self) -> Revision:
        return Revision(PROFILE, self.number)


class Place(Protocol):
    """Where one queue is opened again and again, as if by several processes.

    `retry_wait` is how long it takes at least until a trigger is tried again or is
    redriven.
    """

    @property
    def clock(self) -> Clock: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def retry_wait(self) -> timedelta: ...

    def open(
        self, *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AbstractAsyncContextManager[OpenQueue]:
        """Open the queue; a `stalled` one is as if its process were stopped."""

    async def pass_time(self, by: timedelta) -> None:
        """Return once the open queues have done what they do when time passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One kind of queue: how a new place for it is made, and what it cannot promise.

    `examples` is how many a property is tried with.
    """

    make: Callable[[], Awaitable[Place]]
    exceptions: Mapping[str, str] = field(default_factory=dict)
    examples: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlace:
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    changes: Changes = field(default_factory=Changes)
    retry_wait: timedelta = timedelta()
    _storage: Storage = field(default_factory=Storage)

    @asynccontextmanager
    async def open(
        self, *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AsyncIterator[OpenQueue]:
        queue = MemoryQueue(
            world=self.clock.world(),
            storage=self._storage,
            ordered=ordered,
            drain=drain,
            closed=stalled,
            revision=self.changes.revision,
        )
        yield queue
        queue.closed = True

    async def pass_time(self, by: timedelta) -> None:
        await self.clock.pass_time(by)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlitePlace:
    path: Path
    clock: Clock
    world: World
    changes: Changes = field(default_factory=Changes)
    retry_wait: timedelta = timedelta()

    @asynccontextmanager
    async def open(
        self, *, ordered: bool = False, drain: bool = False, stalled: bool = False
    ) -> AsyncIterator[OpenQueue]:
        options = SqliteOptions(ordered=ordered, drain=drain, lease=LEASE)
        world = replace(self.world, sleep=forever) if stalled else self.world
        begun = self.clock.next_sleep()
        revision = self.changes.revision
        opened = open_queue(self.path, world, options, revision=revision)
        async with opened as queue:
            if not stalled:
                await begun.wait()
            yield queue

    async def pass_time(self, by: timedelta) -> None:
        await self.clock.pass_time(by)


def in_sqlite(folder: Path) -> SqlitePlace:
    clock = Clock(time=NOON)
    return SqlitePlace(path=folder / "queue.db", clock=clock, world=a_world(clock))


def a_world(clock: Clock) -> World:
    ids = itertools.count(1)
    return replace(clock.world(), new_id=lambda _: f"{next(ids):024x}")


async def forever(_: timedelta) -> None:
    await asyncio.Event().wait()


def trigger(
    id_: str = "t1",
    key: str | None = None,
    profile: str = PROFILE,
    action: str = MAIL_ACTION,
) -> Trigger:
    plain = a_trigger(POINT, id_=id_)
    return replace(plain, key=key, profile=profile, action=action)


def letter(of: Trigger) -> DeadLetter:
    return DeadLetter(trigger=of, settlement=BURY, attempts=3, buried_at=NOON + DAY)


async def next_due(queue: OpenQueue) -> Lease | None:
    """Return a lease of what is due now; None, nothing is."""
    return await queue.lease(UntilIdle())


async def lease(queue: OpenQueue) -> Lease:
    lease = await next_due(queue)
    assert lease is not None
    return lease


async def settle_next(queue: OpenQueue, settlement: Settlement) -> None:
    await (await lease(queue)).settle(settlement)
