"""Leases: triggers that are on loan to a lane."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from keyrelay.model.claim import Ending, Go
from keyrelay.model.claiming import Claims
from keyrelay.model.recorded import CutLeases
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.sources.kafka.records.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaLoan:
    """A record and its claim; wakes since `lent_at` are for this trigger, too."""

    record: Record
    claim: Go
    lent_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class KafkaLease:
    """ports.Lease.

    `ending` is kept once what it needs is written to Kafka: if the claim could not be
    ended because the database did not answer, the next try must not write it again.
    `copied`: a copy of the record was written, or may have been (setting_aside.py).
    """

    loan: KafkaLoan
    copied: bool = field(default=False, init=False)
    ending: Ending | None = field(default=None, init=False)
    _claims: Claims
    _settle: Callable[["KafkaLease", Settlement], Awaitable[None]]

    @property
    def trigger(self) -> Trigger:
        return self.loan.record.trigger

    @property
    def number(self) -> int:
        return self.loan.claim.number

    @property
    def repeats(self) -> bool:
        return self.loan.claim.cut

    @property
    def unsettled(self) -> CutLeases | None:
        return self.loan.claim.unsettled

    @property
    def done(self) -> frozenset[str]:
        return self.loan.claim.done

    async def still_held(self) -> bool:
        loan = self.loan
        return await self._claims.still_held(loan.record.arrival, loan.lent_at)

    async def settle(self, settlement: Settlement) -> None:
        await self._settle(self, settlement)
