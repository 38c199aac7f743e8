"""Conclusion: the record, the dead letter and the settlement of one attempt, in order.

Recorded before it is settled: after a crash between the two, the record says what
becomes of the trigger, and it is not attempted again. Buried before it is settled: a
crash between the two leaves a letter too many, never one too few.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keyrelay.concurrency.outage import Outage
from keyrelay.engine.insistence import Result, until_available
from keyrelay.model.audit import AttemptRecord
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.recorded import settlement_on_record
from keyrelay.model.settlement import Bury, Settlement
from keyrelay.model.world import World
from keyrelay.ports import AuditLog, DeadLetters, Lease

log = logging.getLogger(__name__)


def _outage() -> Outage:
    return Outage(log=log, begun="work is stopped", over="work goes on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Shared by all lanes; none goes on before its attempt is concluded."""

    audit: AuditLog
    dead_letters: DeadLetters
    world: World
    _outage: Outage = field(default_factory=_outage, init=False)

    async def conclude(
        self, lease: Lease, settlement: Settlement, record: AttemptRecord | None
    ) -> None:
        """Keep the record, where there is one, then bury and settle."""
        if record is not None:
            await self.insist(lambda: self.audit.append(record))
        if isinstance(settlement, Bury):
            letter = self._letter_of(lease, settlement)
            await self.insist(lambda: self.dead_letters.bury(letter))
        await self.insist(lambda: lease.settle(settlement))

    async def recorded(self, lease: Lease) -> Settlement | None:
        """Return what the record of an earlier, unsettled lease says; None, nothing."""
        trigger, unsettled = lease.trigger, lease.unsettled
        if unsettled is None:
            return None
        asked = (trigger.profile, trigger.id, unsettled.since)
        attempts = await self.insist(lambda: self.audit.attempts(*asked))
        return settlement_on_record(attempts, unsettled, lease.done, self.world.now())

    async def insist(self, act: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of `act` once it is available to all lanes."""
        return await until_available(act, self._outage, self.world.sleep)

    def _letter_of(self, lease: Lease, settlement: Bury) -> DeadLetter:
        return DeadLetter(
            trigger=lease.trigger,
            settlement=settlement,
            attempts=lease.number,
            buried_at=self.world.now(),
        )
