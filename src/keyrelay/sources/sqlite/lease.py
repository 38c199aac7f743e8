"""Leases: what this process holds of the queue, and how it keeps it alive."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakSet

from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.writes import Settling, Writes

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class HeldLeases:
    """The leases that are renewed: those that somebody still holds on to.

    A lane that died has let go of its lease, which then expires.
    """

    ledger: Writes
    _leases: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _settling: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.ledger.world.now()

    def add(self, lease: "SqliteLease") -> None:
        self._leases.add(lease)

    def settling(self, lease: "SqliteLease") -> None:
        """Renew it until it is settled; but whether it is lost, it finds out itself."""
        self._settling.add(lease)

    def discard(self, lease: "SqliteLease") -> None:
        self._leases.discard(lease)
        self._settling.discard(lease)

    async def renew(self) -> None:
        """Extend all leases; let go, loudly, of those that are lost."""
        at = self.ledger.world.now()
        held = list(self._leases)
        tokens = [lease.loan.token for lease in held]
        alive = await self.ledger.renew(tokens) if held else ()
        # Only now: after a renewal that failed nothing is lent before the next one.
        self._renewed_at = at
        # What is being settled, or was meanwhile, is not there to be renewed.
        for lease in (self._leases - self._settling).intersection(held):
            if lease.loan.token not in alive:
                self.discard(lease)
                report_lost(lease.loan)

    async def renew_if_late(self) -> None:
        """Renew before anything is lent, if the process was asleep for too long.

        Otherwise the first to find our expired leases would be we ourselves.
        """
        ledger = self.ledger
        if ledger.world.now() - self._renewed_at > 2 * ledger.terms.renewal:
            await self.renew()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True, eq=False)
class SqliteLease:
    loan: SqliteLoan
    _holdings: HeldLeases
    _settle: Callable[[Settling], Awaitable[bool]]

    @property
    def trigger(self) -> Trigger:
        return self.loan.trigger

    @property
    def number(self) -> int:
        return self.loan.number

    @property
    def repeats(self) -> bool:
        return self.loan.repeats

    @property
    def done(self) -> frozenset[str]:
        return self.loan.done

    async def settle(self, settlement: Settlement) -> None:
        self._holdings.settling(self)
        held = await self._settle((self.loan, settlement))
        self._holdings.discard(self)
        if not held:
            report_lost(self.loan)


def report_lost(loan: SqliteLoan) -> None:
    what = {"profile": loan.trigger.profile, "trigger": loan.trigger.id}
    log.warning("lease lost", extra=what | {"number": loan.number})
