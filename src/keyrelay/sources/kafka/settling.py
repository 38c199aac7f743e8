"""Settling: what settling a lease writes, in the order that no crash can harm.

First what is to be tried again or is buried stands in its topic, then the trigger's
claim ends, then its record's offset is settled. After a crash between any two of these
the record is fetched again, and its claim says what is to be done with it
(model/claim.py).
"""

import logging
from dataclasses import dataclass, replace
from typing import assert_never

from keyrelay.concurrency.batching import Batch
from keyrelay.model.backlog import TriggerWait
from keyrelay.model.claim import Arrival, ClaimStatus, Ending, claimed
from keyrelay.model.claiming import Claims
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.world import World
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.lease import KafkaLease, KafkaLoan
from keyrelay.sources.kafka.records.record import Wait
from keyrelay.sources.kafka.setting_aside import SettingAside
from keyrelay.sources.kafka.writer import TopicWriter

log = logging.getLogger(__name__)

_MOST = 500  # claims in one end


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettling:
    """`ends` ends the claims of all lanes that settle at the same time."""

    buffer: Buffer
    writer: TopicWriter
    ends: Batch[Ending, bool]
    claims: Claims
    world: World
    aside: SettingAside

    def begin(self, loan: KafkaLoan) -> KafkaLease:
        """Return the lease of a trigger whose attempt begins."""
        lease = KafkaLease(loan=loan, _claims=self.claims, _settle=self.settle)
        self.aside.begun(lease)
        return lease

    async def settle(self, lease: KafkaLease, settlement: Settlement) -> None:
        """Settle a lease as `ports.Lease` promises. Raises Unavailable."""
        loan = lease.loan
        self.aside.ended(lease)
        if lease.ending is None:
            lease.ending = await self._write(lease, settlement)
        if not await self.ends.submit(lease.ending):
            log.warning("lease lost", extra={"trigger": lease.trigger.id})
        if isinstance(settlement, TryAgain) and _is_in_place(lease.ending):
            self._wait_in_place(loan, lease.ending, settlement)
        else:
            self.buffer.finish(loan.record, self.world.now())

    async def _write(self, lease: KafkaLease, settlement: Settlement) -> Ending:
        """Write what remains of the trigger; return how its claim ends."""
        loan = lease.loan
        match settlement:
            case Done():
                return _ended(loan, ClaimStatus.DONE)
            case Bury():
                await self.writer.bury(loan.record, settlement, loan.claim.number)
                return _ended(loan, ClaimStatus.BURIED)
            case TryAgain():
                return await self._put_back(lease, settlement)
            case _:
                assert_never(settlement)

    async def _put_back(self, lease: KafkaLease, again: TryAgain) -> Ending:
        loan, record = lease.loan, lease.loan.record
        before = record.arrival
        then = replace(
            before,
            # Later than a copy, which is then passed over.
            sequence=before.sequence + (2 if lease.copied else 1),
            attempts=loan.claim.number - (0 if again.spent else 1),
            cut=loan.claim.cut,
            done=again.done,
        )
        in_place = replace(then, sequence=before.sequence)
        waits_here = self.buffer.may_wait_in_place(record, again.waits_for)
        if not waits_here or lease.copied:
            parked, wait = replace(record, arrival=then), self._wait(loan, again)
            if await self.writer.park(parked, wait, again.reason):
                return _parked(before, then, again)
        return _parked(before, in_place, again)

    def _wait_in_place(self, loan: KafkaLoan, ending: Ending, again: TryAgain) -> None:
        wait = self._wait(loan, again)
        record = replace(loan.record, arrival=ending.then, wait=wait)
        self.buffer.wait_in_place(record, wait.until)

    def _wait(self, loan: KafkaLoan, again: TryAgain) -> Wait:
        now = self.world.now()
        # A wake that came during the attempt is for this trigger, too.
        eligibility, since = self.buffer.eligibility, loan.lent_at
        woken = eligibility.goes_on(again.waits_for, since)
        return Wait(now if woken else now + again.after, again.waits_for)


def new_settling(
    claims: Claims, buffer: Buffer, writer: TopicWriter, *, kept: bool
) -> LeaseSettling:
    """Return what settles; `kept` tells that claims are written down."""
    world = writer.world
    return LeaseSettling(
        buffer=buffer,
        writer=writer,
        ends=Batch(run=claims.end, most=_MOST),
        claims=claims,
        world=world,
        aside=SettingAside(buffer=buffer, writer=writer, world=world, claimed=kept),
    )


def _ended(loan: KafkaLoan, status: ClaimStatus) -> Ending:
    arrival = loan.record.arrival
    return Ending(claimed=arrival, status=status, then=claimed(arrival, loan.claim))


def _parked(before: Arrival, then: Arrival, again: TryAgain) -> Ending:
    wait = TriggerWait(reason=again.reason or None, secret=again.waits_for)
    return Ending(claimed=before, status=ClaimStatus.PARKED, then=then, wait=wait)


def _is_in_place(ending: Ending) -> bool:
    """Tell whether no other record was written in place of this one."""
    return ending.then.sequence == ending.claimed.sequence
