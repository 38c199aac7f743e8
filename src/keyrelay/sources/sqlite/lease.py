"""Leases: the triggers that this process holds, and how their leases are renewed."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakSet

from keyrelay.model.recorded import CutLeases
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.writes import Settling, Writes

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class HeldLeases:
    """The leases that are renewed: those that a lane still refers to.

    They are kept by weak references, so that the lease of a lane that died expires.
    """

    writes: Writes
    _leases: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _settling: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.writes.world.now()

    def add(self, lease: "SqliteLease") -> None:
        self._leases.add(lease)

    def settling(self, lease: "SqliteLease") -> None:
        """Go on renewing the lease; whether it is lost, its settlement will tell."""
        self._settling.add(lease)

    def discard(self, lease: "SqliteLease") -> None:
        self._leases.discard(lease)
        self._settling.discard(lease)

    async def renew(self) -> None:
        """Extend all leases; drop and report those that are lost."""
        at = self.writes.world.now()
        leases = list(self._leases)
        tokens = [lease.loan.token for lease in leases]
        alive = await self.writes.renew(tokens) if leases else ()
        # Set only now: after a renewal that failed, nothing is lent before the next.
        self._renewed_at = at
        # A lease that is being settled, or was settled meanwhile, is not lost.
        for lease in (self._leases - self._settling).intersection(leases):
            if lease.loan.token not in alive:
                self.discard(lease)
                report_lost(lease.loan)

    async def renew_if_late(self) -> None:
        """Renew before anything is lent, if the last renewal is too long ago.

        A process that was suspended would otherwise lend its own leases again.
        """
        since = self.writes.world.now() - self._renewed_at
        if since > 2 * self.writes.options.renewal:
            await self.renew()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True, eq=False)
class SqliteLease:
    """ports.Lease."""

    loan: SqliteLoan
    _leases: HeldLeases
    _settle: Callable[[Settling], Awaitable[bool]]

    @property
    def trigger(self) -> Trigger:
        return self.loan.trigger

    @property
    def number(self) -> int:
        return self.loan.number

    @property
    def repeats(self) -> bool:
        return self.loan.unsettled is not None

    @property
    def unsettled(self) -> CutLeases | None:
        return self.loan.unsettled

    @property
    def done(self) -> frozenset[str]:
        return self.loan.done

    async def settle(self, settlement: Settlement) -> None:
        self._leases.settling(self)
        held = await self._settle((self.loan, settlement))
        self._leases.discard(self)
        if not held:
            report_lost(self.loan)


def report_lost(loan: SqliteLoan) -> None:
    what = {"profile": loan.trigger.profile, "trigger": loan.trigger.id}
    log.warning("lease lost", extra=what | {"number": loan.number})
