"""Writer: what Keyrelay writes into its topics, each record durable on return."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.claim import Arrival
from keyrelay.model.dead_letter import UnreadableLetter, UnreadableTrigger
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.ids import is_id
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.buffer.drawn import MalformedRecord
from keyrelay.sources.kafka.connecting.producer import (
    OutgoingRecord,
    Producer,
    TooLarge,
)
from keyrelay.sources.kafka.options import TopicOwner
from keyrelay.sources.kafka.records.headers import (
    accepted_headers,
    dead_headers,
    parked_headers,
)
from keyrelay.sources.kafka.records.made_up_ids import made_up_id, place_of
from keyrelay.sources.kafka.records.position import TopicPartitionOffset
from keyrelay.sources.kafka.records.record import Headers, Record, Wait
from keyrelay.sources.kafka.topics.names import Topics

log = logging.getLogger(__name__)

ScopedId = tuple[str, str]  # profile, id

_REDRIVEN = TopicPartitionOffset("redriven", 0, 0)  # in place of an origin


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicWriter:
    """Each call raises Unavailable; the record may have been written nevertheless."""

    producer: Producer
    topics: Topics
    world: World
    owner: TopicOwner

    async def publish(
        self, triggers: Sequence[Trigger]
    ) -> Mapping[ScopedId, Unavailable]:
        """Write triggers of different ids; return which were not written, and why."""
        revision = await self.owner.revision() if triggers else None
        ends = await asyncio.gather(
            *(self._publish(each.under(revision)) for each in triggers),
            return_exceptions=True,
        )
        faults: dict[ScopedId, Unavailable] = {}
        for each, end in zip(triggers, ends, strict=True):
            if isinstance(end, Unavailable):
                faults[each.profile, each.id] = end
            elif end is not None:
                raise end
        return faults

    async def redrive(self, trigger: Trigger, arrival: Arrival) -> None:
        """Bring a buried trigger back, which is due at once."""
        trigger = trigger.under(await self.owner.revision())
        wait, lifetime = Wait(self.world.now()), trigger.lifetime
        headers = parked_headers(arrival, _REDRIVEN, wait, "redriven", lifetime)
        await self._accept(self._parked(trigger, wait, headers))

    async def park(self, record: Record, wait: Wait, reason: str) -> bool:
        """Write a record that waits; False, its topic takes no record of its size."""
        lifetime = record.trigger.lifetime
        headers = parked_headers(record.arrival, record.origin, wait, reason, lifetime)
        try:
            await self.producer.send(self._parked(record.trigger, wait, headers))
        except TooLarge as fault:
            kept = str(fault)
        else:
            return True
        log.error("record kept in memory", extra={"reason": kept})
        return False

    async def bury(self, record: Record, why: Bury, attempts: int) -> None:
        """Write a dead letter."""
        trigger = record.trigger
        headers = dead_headers(record.origin, why.reason, why.fault, attempts)
        await self._bury(_key(trigger), trigger.encode(), headers)

    async def bury_malformed(self, record: MalformedRecord) -> None:
        """Write a dead letter of a record that holds no trigger, as it was sent."""
        raw = record.fetched.raw
        if (profile := self.owner.profile or _named_profile(raw.value)) is not None:
            letter = _unreadable(record, profile, self.world.now())
            await self.owner.bury([letter])
        headers = dead_headers(place_of(raw), record.reason, Fault.TRIGGER, 0)
        await self._bury(raw.key, raw.value or b"", headers, [*raw.headers])

    async def close(self) -> None:
        """Return once nothing is written any more."""
        await self.producer.close()

    async def _publish(self, trigger: Trigger) -> None:
        topic, headers = self.topics.main, accepted_headers(trigger)
        record = OutgoingRecord(topic, _key(trigger), trigger.encode(), headers)
        await self._accept(record)

    async def _accept(self, record: OutgoingRecord) -> None:
        try:
            await self.producer.send(record)
        except TooLarge as fault:
            raise Unavailable(f"{fault}; see `keyrelay topics check`") from None

    async def _bury(
        self, key: bytes | None, value: bytes, headers: Headers, foreign: Headers = ()
    ) -> None:
        topic = self.topics.dead
        try:
            record = OutgoingRecord(topic, key, value, [*foreign, *headers])
            await self.producer.send(record)
        except TooLarge:
            # Its origin tells where to read the record, for as long as it is kept.
            await self.producer.send(OutgoingRecord(topic, None, b"", headers))

    def _parked(self, trigger: Trigger, wait: Wait, headers: Headers) -> OutgoingRecord:
        retry = self.topics.retry_for(wait.until - self.world.now())
        topic = self.topics.held if wait.for_secret else retry
        return OutgoingRecord(topic, _key(trigger), trigger.encode(), headers)


def _key(trigger: Trigger) -> bytes | None:
    return None if trigger.key is None else trigger.key.encode()


def _unreadable(
    record: MalformedRecord, profile: str, now: datetime
) -> UnreadableLetter:
    """Return the letter of a record, under the same id whenever the record is read."""
    raw = record.fetched.raw
    return UnreadableLetter(
        trigger=UnreadableTrigger(
            profile=profile, id=made_up_id(raw), raw=raw.value or b"", done="[]"
        ),
        reason=f"{place_of(raw)}: {record.reason}",
        fault=Fault.TRIGGER,
        attempts=0,
        buried_at=now,
    )


def _named_profile(value: bytes | None) -> str | None:
    """Return the profile that a record names, for one that holds no trigger."""
    try:
        named = parse_document(value or b"").get("profile")
    except InvalidDefinition:
        return None
    return named if isinstance(named, str) and is_id(named) else None
