"""Records as the client library returns them, and a buffer to put them into."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.claim import Arrival
from keyrelay.model.trigger import Trigger
from keyrelay.sources.kafka.buffer.buffer import Buffer, new_buffer
from keyrelay.sources.kafka.buffer.drawn import Drawn
from keyrelay.sources.kafka.buffer.fetched import FetchedRecords
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.records.headers import parked_headers
from keyrelay.sources.kafka.records.made_up_ids import FormerIds
from keyrelay.sources.kafka.records.position import (
    FetchPosition,
    TopicPartitionOffset,
)
from keyrelay.sources.kafka.records.record import FetchedRecord, Headers, Record, Wait
from keyrelay.sources.kafka.topics.names import Topics
from tests.contract.queues import trigger
from tests.fakes import Clock
from tests.memory_claims import Book, MemoryClaims
from tests.samples import DAY, NOON, PROFILE

TOPICS = Topics(main="t")
MAIN, MAIN_TOO = TopicPartition("t", 0), TopicPartition("t", 1)
SHORT, COPIES, LONG, HELD = (
    TopicPartition(name, 0)
    for name in ("t.retry.1s", "t.retry.30s", "t.retry.10m", "t.held")
)
ORIGIN = TopicPartitionOffset("t", 0, 7)


def milliseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def raw(
    value: bytes | None,
    *,
    of: TopicPartition = MAIN,
    offset: int = 0,
    headers: Sequence[tuple[str, bytes | None]] = (),
    key: bytes | None = None,
    timestamp: int = milliseconds(NOON),
) -> ConsumerRecord:
    sizes = (len(key or b""), len(value or b""))
    return ConsumerRecord(
        of.topic,
        of.partition,
        offset,
        timestamp,
        0,
        key,
        value,
        None,
        *sizes,
        tuple(headers),
    )


def parked(
    of: Trigger, *, due: datetime, waits_for: str | None = None, sequence: int = 1
) -> Headers:
    """Return the headers with which a worker puts a trigger back."""
    arrival = replace(a_record(of).arrival, sequence=sequence, attempts=sequence)
    return parked_headers(
        arrival, ORIGIN, Wait(due, waits_for), "451 later", of.lifetime
    )


def a_record(of: Trigger) -> Record:
    return Record(
        trigger=of,
        arrival=Arrival(profile=of.profile, id=of.id),
        origin=ORIGIN,
        position=FetchPosition(MAIN, 0, 0),
        written_at=NOON,
    )


def a_buffer(
    *,
    ordered: bool = False,
    options: KafkaOptions | None = None,
    holds: Callable[[str], bool] | None = None,
) -> Buffer:
    """Return an empty buffer; without `holds`, wakes alone end waits for secrets."""
    world = Clock(time=NOON).world()
    former_ids = FormerIds(
        states=MemoryClaims(world=world, book=Book()),
        world=world,
        upgraded_at=None,
        window=DAY,
    )
    fetched = FetchedRecords(topics=TOPICS, profile=PROFILE, former_ids=former_ids)
    chosen = options or KafkaOptions(ordered=ordered)
    return new_buffer(fetched, chosen, holds or (lambda _: True))


@dataclass(slots=True)
class Feed:
    """Puts records into a buffer as the consumer does."""

    buffer: Buffer

    def put(self, *raws: ConsumerRecord, at: datetime = NOON) -> None:
        for each in raws:
            partition = TopicPartition(each.topic, each.partition)
            position = self.buffer.positions.track(partition, each.offset, 1, at, at)
            self.buffer.put(partition, [FetchedRecord(each, position, at)])

    def publish(
        self, *ids: str, of: TopicPartition = MAIN, key: str | None = None, at: int = 0
    ) -> None:
        """Put triggers in a row, from the offset `at`."""
        for offset, id_ in enumerate(ids, at):
            self.put(raw(trigger(id_, key).encode(), of=of, offset=offset))

    def park(
        self,
        id_: str,
        of: TopicPartition,
        *,
        due: datetime,
        waits_for: str | None = None,
        offset: int = 0,
        key: str | None = None,
    ) -> None:
        headers = parked(trigger(id_, key), due=due, waits_for=waits_for)
        value = trigger(id_, key).encode()
        self.put(raw(value, of=of, offset=offset, headers=headers))

    def revoke(self, *partitions: TopicPartition, now: datetime = NOON) -> None:
        """Lose partitions, as at the end of a rebalance."""
        self.buffer.forget(partitions, now)
        for each in partitions:
            self.buffer.positions.revoke(each)
        self.buffer.forget(partitions, now)


def due(drawn: Drawn) -> list[str]:
    return [record.trigger.id for record in drawn.due]


def early(drawn: Drawn) -> list[str]:
    return [record.trigger.id for record in drawn.early]
