"""The clerk: claims what lanes ask for, and does what they settle.

The order is the guarantee. Before a trigger is attempted it is claimed; before its
record's offset is released, what is to be tried again or is buried stands in its topic,
and its claim has ended. After a crash between any two of these the record comes again,
and its claim says what it is good for (claim.py).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from aiokafka.structs import TopicPartition

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.claim import (
    Arrival,
    Busy,
    ClaimStatus,
    Ending,
    Go,
    Judgement,
    Known,
    claimed,
)
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Claims, Unavailable
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.buffer.drawn import Drawn, Unreadable
from keyrelay.sources.kafka.buffer.positions import Mark
from keyrelay.sources.kafka.connecting.producer import (
    OutgoingRecord,
    Producer,
    TooLarge,
)
from keyrelay.sources.kafka.lease import KafkaLoan
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.records.record import (
    Headers,
    Place,
    Record,
    dead_headers,
    parked_as,
    parked_headers,
)

log = logging.getLogger(__name__)

_REDRIVEN = Place("redriven", 0, 0)
_NOWHERE = Mark(TopicPartition("", 0), -1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    shelf: Buffer
    claims: Claims
    outbox: Producer
    bell: Wakeup
    terms: KafkaOptions
    world: World

    async def lend(self, asked: Sequence[None]) -> Sequence[KafkaLoan | None]:
        loans: list[KafkaLoan] = []
        while len(loans) < len(asked):
            most = len(asked) - len(loans)
            taking = self.shelf.take(most, self.world.now())
            if not taking:
                break
            try:
                loans += await self._claimed(taking)
            except Unavailable:
                if loans:  # they are claimed, and nobody else would ever have them
                    break
                raise
        return [*loans, *[None] * (len(asked) - len(loans))]

    async def _claimed(self, taking: Drawn) -> Sequence[KafkaLoan]:
        try:
            await self._pass_on(taking)
        except Unavailable as fault:
            self.shelf.keep(taking, self.world.now())
            if not taking.due:
                raise
            # One topic that cannot be written is no reason for all others to stop.
            log.error("nothing is moved", extra={"why": str(fault)})  # noqa: TRY400
        return await self._lent(taking.due)

    async def _lent(self, due: Sequence[Record]) -> Sequence[KafkaLoan]:
        arrivals = [record.arrival for record in due]
        try:
            verdicts = await self.claims.claim(arrivals) if arrivals else ()
        except Unavailable:
            self.shelf.put_back(due, self.world.now())
            raise
        now = self.world.now()
        judged = zip(due, verdicts, strict=True)
        loans = [self._loan(record, verdict, now) for record, verdict in judged]
        return [loan for loan in loans if loan is not None]

    def _loan(
        self, record: Record, verdict: Judgement, now: datetime
    ) -> KafkaLoan | None:
        match verdict:
            case Go():
                return KafkaLoan(record=record, claim=verdict, lent_at=now)
            case Known():
                self._release(record)
                return None
            case Busy():
                self.shelf.attempted_elsewhere(record, now)
                return None
            case _:
                assert_never(verdict)

    async def _pass_on(self, taking: Drawn) -> None:
        """Put where it belongs what is no trigger, and what has to wait on."""
        moves = [
            *(self._refuse(taking, found) for found in taking.unreadable),
            *(self._wait_on(taking, record) for record in taking.early),
        ]
        for fault in await asyncio.gather(*moves, return_exceptions=True):
            if fault is not None:
                raise fault

    async def _refuse(self, taking: Drawn, found: Unreadable) -> None:
        raw = found.fetched.raw
        place = Place(raw.topic, raw.partition, raw.offset)
        log.error("not a trigger", extra={"origin": str(place), "why": found.reason})
        said = dead_headers(place, found.reason, Fault.TRIGGER, 0)
        await self._bury(raw.key, raw.value or b"", said, [*raw.headers])
        taking.unreadable.remove(found)
        self.shelf.positions.done(found.fetched.mark)

    async def _wait_on(self, taking: Drawn, record: Record) -> None:
        assert record.due is not None
        try:
            await self._park(record, record.due, "not due yet")
        except TooLarge as fault:
            self._stay(fault)
            self.shelf.wait(record, record.due)
        else:
            self.shelf.positions.done(record.mark)
        taking.early.remove(record)

    async def put_away(self, loan: KafkaLoan, settlement: Settlement) -> Ending:
        """Write what settling leaves in the log; return how the claim ends.

        Raises Unavailable.
        """
        record = loan.record
        match settlement:
            case Done():
                return _ended(loan, ClaimStatus.DONE)
            case Bury(reason=reason, fault=fault):
                trigger, attempts = record.trigger, loan.claim.number
                said = dead_headers(record.origin, reason, fault, attempts)
                await self._bury(_key(record), trigger.encode(), said)
                return _ended(loan, ClaimStatus.BURIED)
            case TryAgain():
                return await self._put_back(loan, settlement)
            case _:
                assert_never(settlement)

    def redriven(self, trigger: Trigger, arrival: Arrival) -> OutgoingRecord:
        """Return the record that brings a buried trigger back."""
        now = self.world.now()
        record = Record(
            trigger=trigger, arrival=arrival, origin=_REDRIVEN, mark=_NOWHERE, at=now
        )
        return self._parcel(record, now, "redriven")

    def wake(self, secret: str | None) -> None:
        """Make due what waits for the secret, or for any."""
        now = self.world.now()
        self.shelf.wake(secret, now)
        self.bell.wake_all()

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        return await self.claims.end(endings)

    def let_go(self, loan: KafkaLoan, ending: Ending, settlement: Settlement) -> None:
        """Release the offset, now that nothing depends on the record any more."""
        if (
            isinstance(settlement, TryAgain)
            and ending.then.sequence == ending.claimed.sequence
        ):
            again = parked_as(loan.record, ending.then, settlement.waits_for)
            self.shelf.again(again, self._due(loan, settlement))
            return
        self._release(loan.record)

    async def _put_back(self, loan: KafkaLoan, again: TryAgain) -> Ending:
        record, before = loan.record, loan.record.arrival
        then = replace(
            before,
            sequence=before.sequence + 1,
            attempts=loan.claim.number - (0 if again.spent else 1),
            cut=loan.claim.cut,
            done=again.done,
        )
        parked = parked_as(record, then, again.waits_for)
        in_place = replace(then, sequence=before.sequence)
        if self.shelf.may_stay(record, again.waits_for):
            return Ending(claimed=before, status=ClaimStatus.PARKED, then=in_place)
        try:
            await self._park(parked, self._due(loan, again), again.reason)
        except TooLarge as fault:
            self._stay(fault)
            return Ending(claimed=before, status=ClaimStatus.PARKED, then=in_place)
        return Ending(claimed=before, status=ClaimStatus.PARKED, then=then)

    async def _park(self, record: Record, due: datetime, reason: str) -> None:
        await self.outbox.send(self._parcel(record, due, reason))

    def _stay(self, fault: TooLarge) -> None:
        log.error("it waits in memory", extra={"why": str(fault)})

    def _parcel(self, record: Record, due: datetime, reason: str) -> OutgoingRecord:
        topics = self.shelf.topics
        wait = due - self.world.now()
        topic = topics.held if record.waits_for else topics.retry_for(wait)
        headers = parked_headers(record, due, reason)
        return OutgoingRecord(topic, _key(record), record.trigger.encode(), headers)

    async def _bury(
        self, key: bytes | None, value: bytes, said: Headers, foreign: Headers = ()
    ) -> None:
        topic = self.shelf.topics.dead
        try:
            await self.outbox.send(OutgoingRecord(topic, key, value, [*foreign, *said]))
        except TooLarge:
            # Where it came from it can still be read, for as long as that is kept.
            await self.outbox.send(OutgoingRecord(topic, None, b"", said))

    def _due(self, loan: KafkaLoan, again: TryAgain) -> datetime:
        if self.shelf.wakes.woke(again.waits_for, since=loan.lent_at):
            return self.world.now()
        return self.world.now() + again.after

    def _release(self, record: Record) -> None:
        self.shelf.positions.done(record.mark)
        self.shelf.finish(record, self.world.now())
        if self.terms.drain:
            self.bell.wake_all()
        elif self.shelf.lines.is_in_line(record):
            self.bell.wake(1)


def _ended(loan: KafkaLoan, status: ClaimStatus) -> Ending:
    arrival = loan.record.arrival
    return Ending(claimed=arrival, status=status, then=claimed(arrival, loan.claim))


def _key(record: Record) -> bytes | None:
    key = record.trigger.key
    return None if key is None else key.encode()
