"""Claim upkeep: renews the heartbeat and forgets old claims, in the background."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.concurrency.outage import Outage
from keyrelay.ports import Unavailable
from keyrelay.stores.claims import statements as claim_statements
from keyrelay.stores.claims.heartbeat import Heartbeat, beat_on
from keyrelay.stores.claims.rows import encode
from keyrelay.stores.claims.statements import Statements
from keyrelay.stores.rows import ScopedId

log = logging.getLogger(__name__)

_FORGETTING = timedelta(minutes=1)  # between one time and the next
# Many rows are deleted in steps: a writer must not keep others waiting for long.
_STEP = 1000
_FORGET = claim_statements.forget()


@dataclass(slots=True)
class HeldClaims:
    """`held` is claimed by this worker. Whether `doubtful` is, it does not know: the
    call that claimed it had no answer."""

    held: set[ScopedId] = field(default_factory=set)
    doubtful: set[ScopedId] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def claiming(self, ids: Collection[ScopedId]) -> AsyncIterator[None]:
        # Waits until doubtful claims that are being given back are so.
        async with self.lock:
            self.doubtful.difference_update(ids)
        answered = False
        try:
            yield
            answered = True
        finally:
            if not answered:
                self.doubtful.update(ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimUpkeep:
    """What a worker does beside claiming, for as long as its claims are open."""

    heartbeat: Heartbeat
    held: HeldClaims
    statements: Statements
    window: timedelta

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            beat, world, lease = self._renew, self.heartbeat.world, self.heartbeat.lease
            group.create_task(beat_on(beat, world, lease, _outage()))
            group.create_task(self._forget())

    async def _renew(self) -> None:
        await self.heartbeat.beat()
        await self._give_back()

    async def _give_back(self) -> None:
        """Leave doubtful claims to other workers: this one does not attempt them."""
        async with self.held.lock:
            if doubtful := list(self.held.doubtful):
                parameters = {"ours": self.heartbeat.id, "rows": encode(doubtful)}
                async with self.heartbeat.database.transaction() as connection:
                    await connection.execute(self.statements.give_back, parameters)
                self.held.doubtful.clear()

    async def _forget(self) -> None:
        world = self.heartbeat.world
        # Not at once: if all workers were down for longer than the window, a trigger
        # that was settled before may come once more, and must find its claim.
        await world.sleep(self.window / 24)
        while True:
            try:
                await self._forget_once()
            except Unavailable as fault:
                log.warning("claims not forgotten", extra={"reason": str(fault)})
            await world.sleep(_FORGETTING)

    async def _forget_once(self) -> None:
        await self.heartbeat.forget_dead(self.window)
        before = self.heartbeat.world.now() - self.window
        step = _STEP
        while step == _STEP:
            async with self.heartbeat.database.transaction() as connection:
                limits = {"before": before, "most": _STEP}
                step = (await connection.execute(_FORGET, limits)).rowcount


def _outage() -> Outage:
    return Outage(log=log, begun="claims not renewed", over="claims are renewed again")
