"""Claims: every way to open them, for the suites that run over them all."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.databases.opening import open_database
from keyrelay.model import claiming
from keyrelay.model.claim import Arrival, ClaimState, ClaimStatus, Ending
from keyrelay.ports import Unavailable
from keyrelay.stores.claims.claims import ClaimOptions, ClaimStore, open_claims
from keyrelay.stores.schema.tables import profiles
from tests.contract.queues import a_world, forever
from tests.contract.stores.ground import Ground
from tests.fakes import Clock
from tests.memory_claims import Book, MemoryClaims
from tests.samples import NOON, PROFILE

LEASE = timedelta(seconds=30)
TERMS = ClaimOptions(lease=LEASE)
FIRST = Arrival(profile=PROFILE, id="t1")

_EXPIRE = text("UPDATE workers SET alive_until = alive_until - CAST(:by AS interval)")


class Claims(claiming.Claims, claiming.ClaimStates, Protocol):
    """What a worker writes and reads of claims."""


class Office(Protocol):
    """Opens claims again and again over the same book, each time as another worker.

    A `stalled` one does nothing of its own accord, as if its process were stopped.
    """

    def open(self, *, stalled: bool = False) -> AbstractAsyncContextManager[Claims]: ...

    async def pass_time(self, by: timedelta) -> None:
        """Return once the workers have done what they do when time passes."""

    async def add_profile(self, id_: str) -> None: ...


@dataclass(kw_only=True)
class MemoryOffice:
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    book: Book = field(default_factory=Book)
    stalled: list[MemoryClaims] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, *, stalled: bool = False) -> AsyncIterator[MemoryClaims]:
        claims = MemoryClaims(world=self.clock.world(), book=self.book)
        if stalled:
            self.stalled.append(claims)
        yield claims
        self.book.dead.append(claims)

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)
        if by > LEASE:
            self.book.dead += self.stalled

    async def add_profile(self, id_: str) -> None:
        """Do nothing: these claims know no profiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A database behind a connection that can be cut, on the way there or back.

    `asked_to_write` is set when the right to write is asked for.
    """

    database: Database
    cut: set[str] = field(default_factory=set)
    asked_to_write: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_shared(self) -> bool:
        return self.database.is_shared

    @property
    def poll_interval(self) -> timedelta:
        return self.database.poll_interval

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        if "reading" in self.cut:
            raise Unavailable("cut while reading")
        async with self.database.reading() as connection:
            yield connection

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self.asked_to_write.set()
        return self.database.writing()

    def migrating(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.database.migrating()

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._over(self.database.transaction())

    def autocommit(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._over(self.database.autocommit())

    async def signal_change(self, connection: AsyncConnection) -> None:
        await self.database.signal_change(connection)

    def listening(
        self, changed: asyncio.Event
    ) -> AbstractAsyncContextManager[asyncio.Event]:
        return self.database.listening(changed)

    async def close(self) -> None:
        await self.database.close()

    @asynccontextmanager
    async def _over(
        self, written: AbstractAsyncContextManager[AsyncConnection]
    ) -> AsyncIterator[AsyncConnection]:
        if "there" in self.cut:
            raise Unavailable("cut on the way there")
        async with written as connection:
            yield connection
        if "back" in self.cut:
            raise Unavailable("cut on the way back")


@dataclass(kw_only=True)
class DatabaseOffice:
    """`wires` are those of the workers that are open, in the order of their coming."""

    ground: Ground
    terms: ClaimOptions = TERMS
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    wires: list[Wire] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = a_world(self.clock)

    @asynccontextmanager
    async def open(self, *, stalled: bool = False) -> AsyncIterator[ClaimStore]:
        world = replace(self.world, sleep=forever) if stalled else self.world
        async with open_database(self.ground.url) as database:
            wire = Wire(database=database)
            self.wires.append(wire)
            upkeep = self.clock.next_sleep()
            async with open_claims(wire, world, self.terms) as claims:
                if not stalled:
                    await upkeep.wait()
                yield claims
            self.wires.pop()

    async def pass_time(self, by: timedelta) -> None:
        # In steps no longer than between two heartbeats: a worker that has missed one
        # takes no other for dead.
        for step in _steps(by, self.terms.lease / 3):
            await self.expire(step)
            await self.clock.pass_time(step)

    async def add_profile(self, id_: str) -> None:
        async with self.wires[0].writing() as connection:
            await connection.execute(insert(profiles).values(id=id_, name=id_))

    async def expire(self, by: timedelta) -> None:
        """Have a shared database's own clock, which we cannot set, move on."""
        wire = self.wires[0]
        if wire.is_shared:
            async with wire.writing() as connection:
                await connection.execute(_EXPIRE, {"by": by})


def _steps(by: timedelta, longest: timedelta) -> Iterator[timedelta]:
    while by > timedelta():
        yield min(by, longest)
        by -= longest


def ending(
    arrival: Arrival, status: ClaimStatus, then: Arrival | None = None
) -> Ending:
    return Ending(claimed=arrival, status=status, then=then or arrival)


async def settle(
    claims: Claims, arrival: Arrival, status: ClaimStatus = ClaimStatus.DONE
) -> None:
    await claims.claim([arrival])
    assert await claims.end([ending(arrival, status)]) == [True]


async def known(claims: Claims, arrival: Arrival = FIRST) -> ClaimState:
    state = await claims.state(arrival.profile, arrival.id)
    assert state is not None
    return state
