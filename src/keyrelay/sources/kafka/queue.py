"""The queue in Kafka: a log that a group reads, and into which its readers put back.

What concurrent callers want is done together, as in the embedded queue: leases are one
claim for all who came while the one before was written, and so are their ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiokafka.errors import IllegalStateError, KafkaError

from keyrelay.concurrency.batching import Batch
from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.backlog import Depth, Lag, QueueStatus
from keyrelay.model.claim import Arrival, ClaimStatus, Ending
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Claims, ClaimStates, Unavailable
from keyrelay.sources.kafka import inspection
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.buffer.wakes import Wakes
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.producer import (
    OutgoingRecord,
    Producer,
    TooLarge,
)
from keyrelay.sources.kafka.lease import KafkaLease, KafkaLoan
from keyrelay.sources.kafka.lending import Lending
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.reading.reader import Reader
from keyrelay.sources.kafka.topics.names import Topics

log = logging.getLogger(__name__)

_MOST = 500  # of anything in one claim
_ANSWER = 5.0  # seconds; as long as a group is joined anew there is none


@dataclass(slots=True, kw_only=True, eq=False)
class KafkaQueue:
    """ports.TriggerQueue. It joins its group with the first lease that is asked for."""

    _reader: Reader
    _states: ClaimStates
    _loans: Batch[None, KafkaLoan | None]
    _ends: Batch[Ending, bool]
    _drained: Batch[None, bool]
    _reading: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def _clerk(self) -> Lending:
        return self._reader.clerk

    async def accept(self, trigger: Trigger) -> bool:
        key = None if trigger.key is None else trigger.key.encode()
        topic = self._clerk.shelf.topics.main
        await self._write(OutgoingRecord(topic, key, trigger.encode()))
        return True

    async def redrive(self, letter: DeadLetter) -> bool:
        trigger = letter.redriven(self._clerk.world.now())
        known = await self._states.state(trigger.profile, trigger.id)
        if known is not None and known.status is not ClaimStatus.BURIED:
            return False
        arrival = Arrival(
            profile=trigger.profile,
            id=trigger.id,
            generation=known.arrival.generation + 1
            if known
            else 1,  # later than any first record
            done=letter.settlement.done,
        )
        await self._write(self._clerk.redriven(trigger, arrival))
        return True

    async def lease(self, until: asyncio.Event) -> KafkaLease | None:
        bell = self._clerk.bell
        while not until.is_set():
            self._read()
            rung = bell.count
            loan = await self._loans.submit(None)
            if loan is not None:
                return KafkaLease(loan=loan, _settle=self._settle)
            if self._clerk.terms.drain and await self._drained.submit(None):
                return None
            if bell.count == rung:
                await bell.wait(until)
        return None

    async def wake(self, secret: str) -> None:
        self._clerk.wake(secret)

    async def wake_all(self) -> None:
        self._clerk.wake(None)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return where a trigger stands; None, nobody has taken it from the log yet."""
        return await self._states.status(profile, id_)

    async def depth(self) -> Depth:
        if (pump := self._reader.pump) is not None:
            await pump.commit()
        topics = self._clerk.shelf.topics
        try:
            return await inspection.depth(self._reader.clients, topics)
        except (KafkaError, TimeoutError) as fault:
            raise _unanswered(fault) from None

    async def lags(self) -> Sequence[Lag]:
        if (pump := self._reader.pump) is None:
            raise Unavailable("Kafka is not being read at this moment")
        now, positions = self._clerk.world.now(), self._clerk.shelf.positions
        try:
            async with asyncio.timeout(_ANSWER):
                return await inspection.lags(pump.consumer, positions, now)
        except (KafkaError, IllegalStateError, TimeoutError) as fault:
            raise _unanswered(fault) from None

    async def close(self) -> None:
        """Return once nothing is read or written any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        for group in (self._loans, self._ends, self._drained):
            await group.close()
        await self._clerk.outbox.close()

    def _read(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._reader.run())
        elif self._reading.done():
            self._reading.result()  # without it nothing comes: its fault is ours

    async def _settle(self, lease: KafkaLease, settlement: Settlement) -> None:
        clerk, loan = self._clerk, lease.loan
        if lease.ending is None:
            lease.ending = await clerk.put_away(loan, settlement)
        if not await self._ends.submit(lease.ending):
            log.warning("lease lost", extra={"trigger": lease.trigger.id})
        clerk.let_go(loan, lease.ending, settlement)

    async def _write(self, parcel: OutgoingRecord) -> None:
        try:
            await self._clerk.outbox.send(parcel)
        except TooLarge as fault:
            raise Unavailable(f"{fault}; see `keyrelay topics check`") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of triggers that were claimed, and what claims them."""

    claims: Claims
    states: ClaimStates


@asynccontextmanager
async def open_queue(
    clients: KafkaClients,
    memory: Memory,
    world: World,
    terms: KafkaOptions,
    profile: str | None,
) -> AsyncIterator[KafkaQueue]:
    """Open both ends of the log; whoever names no profile is of `profile`, if given."""
    clerk = Lending(
        shelf=_shelf(clients, terms, profile),
        claims=memory.claims,
        outbox=Producer(make=clients.producer),
        bell=Wakeup(),
        terms=terms,
        world=world,
    )
    reader = Reader(clients=clients, clerk=clerk)
    queue = KafkaQueue(
        _reader=reader,
        _states=memory.states,
        _loans=Batch(run=partial(_lend, reader), most=_MOST),
        _ends=Batch(run=clerk.end, most=_MOST),
        _drained=Batch(run=partial(_drained, reader), most=_MOST),
    )
    try:
        yield queue
    finally:
        await queue.close()


def _shelf(clients: KafkaClients, terms: KafkaOptions, profile: str | None) -> Buffer:
    return Buffer(
        topics=Topics(main=clients.connection.address.topic),
        positions=Positions(),
        wakes=Wakes(),
        lines=KeyOrder(ordered=terms.ordered),
        profile=profile,
        terms=terms,
    )


async def _lend(reader: Reader, asked: Sequence[None]) -> Sequence[KafkaLoan | None]:
    loans = await reader.clerk.lend(asked)
    if reader.pump is not None:
        reader.pump.make_room()
    return loans


async def _drained(reader: Reader, asked: Sequence[None]) -> Sequence[bool]:
    """Say to all who ask at once whether there is nothing left to do."""
    clerk, pump = reader.clerk, reader.pump
    if pump is None or _is_busy(clerk) or not await pump.has_read_all():
        return [False] * len(asked)
    # Asked again: what was read while the answer came stands on the shelf now.
    return [not _is_busy(clerk)] * len(asked)


def _is_busy(clerk: Lending) -> bool:
    return bool(clerk.shelf.on_loan or clerk.shelf.due(clerk.world.now()))


def _unanswered(fault: Exception) -> Unavailable:
    return Unavailable(f"Kafka does not answer ({type(fault).__name__})")
