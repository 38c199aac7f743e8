"""Lending: claims for lanes the triggers that are due in the buffer.

The order is the guarantee. A trigger is claimed before it is attempted. What is not due
or holds no trigger stands in another topic before its offset is settled. After a crash
between any two of these the record is fetched again, and its claim says what is to be
done with it (model/claim.py).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from keyrelay.concurrency.outage import Outage
from keyrelay.model.claim import Busy, Go, Judgement, Known, Withheld
from keyrelay.model.claiming import Claims
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.buffer.drawn import Drawn, MalformedRecord
from keyrelay.sources.kafka.buffer.eligibility import is_too_late
from keyrelay.sources.kafka.lease import KafkaLoan
from keyrelay.sources.kafka.options import ASIDE
from keyrelay.sources.kafka.records.made_up_ids import place_of
from keyrelay.sources.kafka.records.record import Record, Wait
from keyrelay.sources.kafka.setting_aside import UNDER_WAY
from keyrelay.sources.kafka.writer import TopicWriter

log = logging.getLogger(__name__)

_WITHHELD = timedelta(seconds=30)  # until a trigger that a person holds is asked about


def _outage() -> Outage:
    return Outage(log=log, begun="records not moved", over="records are moved again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    buffer: Buffer
    claims: Claims
    writer: TopicWriter
    world: World
    _outage: Outage = field(default_factory=_outage, init=False)

    async def lend(self, asked: Sequence[None]) -> Sequence[KafkaLoan | None]:
        """Return a loan for each lane that asked; None, there is none for it now.

        Raises Unavailable, and then no trigger is claimed.
        """
        loans: list[KafkaLoan] = []
        while len(loans) < len(asked):
            most = len(asked) - len(loans)
            drawn = self.buffer.draw(most, self.world.now())
            if not drawn:
                break
            try:
                loans += await self._lend(drawn)
            except Unavailable:
                if loans:  # they are claimed: if not lent now, they would never be
                    break
                raise
        return [*loans, *[None] * (len(asked) - len(loans))]

    async def _lend(self, drawn: Drawn) -> Sequence[KafkaLoan]:
        moving = bool(drawn.malformed or drawn.early)
        try:
            await self._move(drawn)
        except Unavailable as fault:
            self.buffer.keep(drawn, self.world.now())
            if not drawn.due:
                raise
            # A topic that cannot be written must not stop all other triggers.
            self._outage.failed(str(fault))
        else:
            if moving:
                self._outage.ended()
        return await self._claim(drawn.due)

    async def _claim(self, due: Sequence[Record]) -> Sequence[KafkaLoan]:
        arrivals, asked_at = [record.arrival for record in due], self.world.now()
        _say_what_is_too_late(due, asked_at)
        try:
            judgements = await self.claims.claim(arrivals) if arrivals else ()
        except Unavailable:
            self.buffer.put_back(due, self.world.now())
            raise
        judged = [*zip(due, judgements, strict=True)]
        loans = [
            self._loan(record, judgement, asked_at) for record, judgement in judged
        ]
        await asyncio.gather(*(self._look_later(*each) for each in judged))
        return [loan for loan in loans if loan is not None]

    def _loan(
        self, record: Record, judgement: Judgement, asked_at: datetime
    ) -> KafkaLoan | None:
        match judgement:
            case Go():
                dated = _dated(record, judgement.claimed_at or asked_at)
                return KafkaLoan(record=dated, claim=judgement, lent_at=asked_at)
            case Known():
                self.buffer.finish(record, self.world.now())
                return None
            case Busy() | Withheld():
                return None  # it is looked at later
            case _:
                assert_never(judgement)

    async def _look_later(self, record: Record, judgement: Judgement) -> None:
        """Look again later at what another process attempts or a person holds.

        What may last is written again, so that no offset waits for it: what a person
        holds, and copies of what is attempted (setting_aside.py). Its arrival stays the
        same: a copy that a crash leaves is as good as the other.
        """
        match judgement:
            case Withheld():
                written = await self._put_back(record, _WITHHELD, "held by a person")
            case Busy() if (
                record.position.partition.topic in self.writer.topics.retries
            ):
                written = await self._put_back(record, ASIDE, UNDER_WAY)
            case Busy():
                written = False
            case Go() | Known():
                return
            case _:
                assert_never(judgement)
        if written:
            self.buffer.finish(record, self.world.now())
        else:
            self.buffer.attempted_elsewhere(record, self.world.now())

    async def _put_back(self, record: Record, after: timedelta, why: str) -> bool:
        """Write a record again; return whether that could be done now."""
        wait = Wait(self.world.now() + after)
        try:
            return await self.writer.park(record, wait, why)
        except Unavailable:
            return False

    async def _move(self, drawn: Drawn) -> None:
        """Write to other topics what cannot be lent; remove it from what was drawn."""
        moves = [
            *(self._bury(drawn, record) for record in [*drawn.malformed]),
            *(self._postpone(drawn, record) for record in [*drawn.early]),
        ]
        for fault in await asyncio.gather(*moves, return_exceptions=True):
            if fault is not None:
                raise fault

    async def _bury(self, drawn: Drawn, malformed: MalformedRecord) -> None:
        said = {
            "origin": str(place_of(malformed.fetched.raw)),
            "reason": malformed.reason,
        }
        log.error("not a trigger", extra=said)
        await self.writer.bury_malformed(malformed)
        losses = self.buffer.fetched.losses
        losses.unreadable[malformed.fetched.raw.topic] += 1
        drawn.malformed.remove(malformed)
        self.buffer.moved(malformed.fetched.position)

    async def _postpone(self, drawn: Drawn, record: Record) -> None:
        assert record.wait is not None  # or it would be due
        if await self.writer.park(record, record.wait, "not due yet"):
            self.buffer.moved(record.position)
        else:
            self.buffer.wait(record, record.wait.until)
        drawn.early.remove(record)


def _dated(record: Record, claimed_at: datetime) -> Record:
    """Return the record with the date of its message, which a worker decides once."""
    if record.trigger.lifetime.dated_at is not None:
        return record
    return replace(record, trigger=record.trigger.dated(claimed_at))


def _say_what_is_too_late(due: Sequence[Record], now: datetime) -> None:
    late = sum(is_too_late(record, now) for record in due)
    if late:
        reason = "a clock was ahead when they were put back"
        said = {"triggers": late, "reason": reason}
        log.warning("triggers due too late are due now", extra=said)
