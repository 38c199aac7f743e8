"""Leases: what this process holds of the queue, and how it keeps it alive."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakSet

from keyrelay.ports import Unavailable
from keyrelay.settlement import Settlement
from keyrelay.sources.sqlite.ledger import Ledger, Settling
from keyrelay.sources.sqlite.rows import Loan
from keyrelay.trigger import Trigger

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Holdings:
    """The leases that are renewed: those that somebody still holds on to.

    A lane that died has let go of its lease, which then expires.
    """

    ledger: Ledger
    _leases: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.ledger.world.now()

    def add(self, lease: "SqliteLease") -> None:
        self._leases.add(lease)

    def discard(self, lease: "SqliteLease") -> None:
        self._leases.discard(lease)

    async def renew(self) -> None:
        """Extend all leases; let go, loudly, of those that are lost."""
        self._renewed_at = self.ledger.world.now()
        held = list(self._leases)
        if not held:
            return
        alive = await self.ledger.renew([lease.loan.token for lease in held])
        # None was settled meanwhile: whoever settles lets go first, and turns to write
        # come in the order in which they are asked for.
        for lease in held:
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
    loan: Loan
    _holdings: Holdings
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
        # No longer renewed from here on: a renewal would find it settled and
        # take it for lost.
        self._holdings.discard(self)
        try:
            held = await self._settle((self.loan, settlement))
        except Unavailable:
            self._holdings.add(self)
            raise
        if not held:
            report_lost(self.loan)


def report_lost(loan: Loan) -> None:
    what = {"profile": loan.trigger.profile, "trigger": loan.trigger.id}
    log.warning("lease lost", extra=what | {"number": loan.number})
