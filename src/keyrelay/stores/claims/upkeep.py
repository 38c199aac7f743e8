"""Claim upkeep: what is done as long as claims are open, and nobody asks for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.ports import Unavailable
from keyrelay.stores.claims import statements as claim_statements
from keyrelay.stores.claims.heartbeat import Heartbeat
from keyrelay.stores.claims.rows import encode
from keyrelay.stores.claims.statements import Statements
from keyrelay.stores.rows import ScopedId

log = logging.getLogger(__name__)

_FORGETTING = timedelta(minutes=1)  # between one time and the next
# What touches many rows does so in steps: a writer must not keep others waiting.
_STEP = 1000
_FORGET = claim_statements.forget()


@dataclass(slots=True)
class HeldClaims:
    """`held` is what we were told is ours; `strays` may be ours without our knowing,
    for the end of the call that claimed them was never heard."""

    held: set[ScopedId] = field(default_factory=set)
    strays: set[ScopedId] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def asking(self, places: Collection[ScopedId]) -> AsyncIterator[None]:
        async with self.turn:  # what is just being given back is so before we ask
            self.strays.difference_update(places)
        heard = False
        try:
            yield
            heard = True
        finally:
            if not heard:
                self.strays.update(places)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimUpkeep:
    heartbeat: Heartbeat
    holdings: HeldClaims
    statements: Statements
    window: timedelta

    async def keep_up(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell())
            group.create_task(self._forget())

    async def _tell(self) -> None:
        heartbeat = self.heartbeat
        pause = heartbeat.renewal
        while True:
            await heartbeat.world.sleep(pause)
            pause = heartbeat.renewal
            try:
                await heartbeat.tell()
                await self._give_back()
            except Unavailable as fault:
                log.warning("claims not renewed", extra={"why": str(fault)})
                pause = heartbeat.retry

    async def _give_back(self) -> None:
        """Leave to others what we may have claimed: we do not attempt it."""
        async with self.holdings.turn:
            if strays := list(self.holdings.strays):
                asked = {"ours": self.heartbeat.id, "rows": encode(strays)}
                async with self.heartbeat.database.transaction() as connection:
                    await connection.execute(self.statements.give_back, asked)
                self.holdings.strays.clear()

    async def _forget(self) -> None:
        world = self.heartbeat.world
        # Not at once: if all were away for longer than the window, what they had
        # settled before may come once more, and must find its claim.
        await world.sleep(self.window / 24)
        while True:
            try:
                await self._forget_once()
            except Unavailable as fault:
                log.warning("claims not forgotten", extra={"why": str(fault)})
            await world.sleep(_FORGETTING)

    async def _forget_once(self) -> None:
        await self.heartbeat.forget(self.window)
        before = self.heartbeat.world.now() - self.window
        step = _STEP
        while step == _STEP:
            async with self.heartbeat.database.transaction() as connection:
                asked = {"before": before, "most": _STEP}
                step = (await connection.execute(_FORGET, asked)).rowcount
