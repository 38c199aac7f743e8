"""Leases: the triggers that this process holds, and how their leases are renewed."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakKeyDictionary, WeakSet

from keyrelay.model.recorded import CutLeases
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.writes import Settling, Writes

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class HeldLeases:
    """The leases that are renewed: those that a lane still refers to.

    They are kept by weak references, with the time at which each expires unless it is
    renewed, so that the lease of a lane that died expires.
    """

    writes: Writes
    _leases: "WeakKeyDictionary[SqliteLease, datetime]" = field(
        default_factory=WeakKeyDictionary, init=False
    )
    _settling: "WeakSet[SqliteLease]" = field(default_factory=WeakSet, init=False)
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.writes.world.now()

    def add(self, lease: "SqliteLease", lent_at: datetime) -> None:
        self._extend(lease, lent_at)

    def settling(self, lease: "SqliteLease") -> None:
        """Go on renewing the lease; whether it is lost, its settlement will tell."""
        self._settling.add(lease)

    def discard(self, lease: "SqliteLease") -> None:
        self._leases.pop(lease, None)
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
        for lease in leases:
            if lease.loan.token in alive and lease in self._leases:
                self._extend(lease, at)
            elif lease in self._leases and lease not in self._settling:
                self.discard(lease)
                report_lost(lease.loan)

    async def still_held(self, lease: "SqliteLease") -> bool:
        """Tell whether no other process can have taken the lease, nor will soon."""
        options = self.writes.options
        ends_at = self._leases.get(lease)
        if ends_at is not None and self.writes.world.now() > ends_at - options.renewal:
            await self.renew()
        return lease in self._leases

    def _extend(self, lease: "SqliteLease", at: datetime) -> None:
        self._leases[lease] = at + self.writes.options.lease

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

    async def still_held(self) -> bool:
        return await self._leases.still_held(self)

    async def settle(self, settlement: Settlement) -> None:
        self._leases.settling(self)
        held = await self._settle((self.loan, settlement))
        self._leases.discard(self)
        if not held:
            report_lost(self.loan)


def report_lost(loan: SqliteLoan) -> None:
    what = {"profile": loan.trigger.profile, "trigger": loan.trigger.id}
    log.warning("lease lost", extra=what | {"number": loan.number})
