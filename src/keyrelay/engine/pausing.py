"""Pausing: the breaker's pauses of refused credentials, shared with other workers.

What has changed here is told at once, and what was told elsewhere is read every second.
So a pause that ends ends on all workers, and wakes what waits for it on each. One
worker at a time probes: it claims the probe where all see it.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.engine.breaker import Breaker
from keyrelay.model.outcome import Deferred
from keyrelay.model.pause import SharedPause
from keyrelay.model.secret import Secret
from keyrelay.model.world import World
from keyrelay.ports import Pauses, Unavailable

log = logging.getLogger(__name__)

_NEVER = datetime.min.replace(tzinfo=UTC)
_LOOK = timedelta(seconds=1)
_RESUMED_AT_ONCE = 1000  # the others follow a second later
_RENEWAL = timedelta(seconds=10)  # in time before what is kept ends


@dataclass(slots=True)
class Untold:
    """Ids of secrets whose refusal, or its end, other workers were not told of yet."""

    secrets: set[str] = field(default_factory=set)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, secret: str) -> None:
        self.secrets.add(secret)
        self.came.set()


@dataclass(slots=True)
class _Told:
    """What was last told of unreachable peers, and when.

    `lock` is held while pauses are read and obeyed, and while a probe begins: what was
    read before it would undo it, and let another one begin.
    """

    unreachable: frozenset[tuple[str, int, str]] = frozenset()
    at: datetime = _NEVER
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _outage() -> Outage:
    return Outage(log=log, begun="pauses not shared", over="pauses are shared again")


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSharing:
    """`untold` is what the breaker tells of."""

    breaker: Breaker
    pauses: Pauses
    world: World
    untold: Untold
    _told: _Told = field(default_factory=_Told, init=False)
    _outage: Outage = field(default_factory=_outage, init=False)

    async def admit(self, secret: Secret) -> Deferred | None:
        """Return why and how long a trigger is held back; None, it goes.

        A probe of a refused credential goes only if no other worker makes one. Raises
        Unavailable.
        """
        known = self.breaker.circuits.known(secret.id)
        if known is None or not known.is_refused:
            return self.breaker.admit(secret)
        async with self._told.lock:
            return await self._admit(secret)

    async def _admit(self, secret: Secret) -> Deferred | None:
        held = self.breaker.admit(secret)
        if held is not None:
            return held
        probed = self.breaker.refusal_probed(secret)
        if probed is None:
            return None
        try:
            is_ours = await self.pauses.claim_probe(probed)
        except Unavailable:
            self.breaker.end_probe(secret)
            raise
        return None if is_ours else self.breaker.admit(secret)

    async def refresh(self) -> None:
        """Tell and obey; where the database fails, all goes on as it is known."""
        try:
            await self._share()
        except Unavailable as fault:
            self._outage.failed(str(fault))
        else:
            self._outage.ended()

    async def share(self, stop: asyncio.Event) -> None:
        """Refresh at each change and every second, until `stop` is set.

        What this worker cannot reach is not shown any more then.
        """
        async with background(stop.wait()) as stopping:
            while not stopping.done():
                self.untold.came.clear()
                await self.refresh()
                async with (
                    background(self.world.sleep(_LOOK)) as look,
                    background(self.untold.came.wait()) as came,
                ):
                    waits = [stopping, look, came]
                    await asyncio.wait(waits, return_when="FIRST_COMPLETED")
        await self._leave()

    async def _share(self) -> None:
        for secret in [*self.untold.secrets]:
            await self._tell(secret)
        await self._tell_unreachable(self.breaker.circuits.unreachable())
        async with self._told.lock:
            shared = await self.pauses.refused()
            self._obey(shared)
            await self._resume_others({pause.secret for pause in shared})

    async def _tell(self, secret: str) -> None:
        # Before the call: what changes during it is noted once more.
        self.untold.secrets.discard(secret)
        circuit = self.breaker.circuits.known(secret)
        if circuit is None:  # replaced, and its pause with it
            return
        try:
            if circuit.is_refused:
                await self.pauses.keep_refused(circuit.shared(secret))
            else:
                await self.pauses.end_refused(secret, circuit.version)
        except Unavailable:
            self.untold.secrets.add(secret)
            raise

    async def _tell_unreachable(self, pauses: Sequence[SharedPause]) -> None:
        told, now = self._told, self.world.now()
        unreachable = frozenset((p.secret, p.version, p.reason) for p in pauses)
        is_fresh = not unreachable or now - told.at < _RENEWAL
        if unreachable == told.unreachable and is_fresh:
            return
        await self.pauses.keep_unreachable(pauses)
        told.unreachable, told.at = unreachable, now

    def _obey(self, shared: Sequence[SharedPause]) -> None:
        """Pause what is paused elsewhere.

        What has changed here since it was read is left as it is.
        """
        for pause in shared:
            if pause.secret not in self.untold.secrets:
                self.breaker.circuits.obey(pause)

    async def _resume_others(self, paused: Collection[str]) -> None:
        """Resume what is paused here, and is so elsewhere no more.

        The pause of a secret that was replaced ends as the new version comes to be
        known here: until then there is but the refused credential to try.
        """
        refused = self.breaker.circuits.refused()
        gone = islice(refused.keys() - paused, _RESUMED_AT_ONCE)
        ended = {id_: refused[id_] for id_ in gone}
        replaced = await self.pauses.replaced(ended) if ended else ()
        for secret in ended.keys() - replaced - self.untold.secrets:
            self.breaker.circuits.resume(secret)

    async def _leave(self) -> None:
        try:
            await self._tell_unreachable(())
        except Unavailable as fault:
            log.warning("pauses not withdrawn", extra={"reason": str(fault)})
