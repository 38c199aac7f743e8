"""Records as the client library hands them over, and a shelf to put them on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.model.claim import Arrival
from keyrelay.model.trigger import Trigger
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.buffer.drawn import Drawn
from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.buffer.wakes import Wakes
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.records.record import (
    Fetched,
    Headers,
    Place,
    Record,
    parked_headers,
)
from keyrelay.sources.kafka.topics.names import Topics
from tests.contract.queues import trigger
from tests.samples import NOON, PROFILE

TOPICS = Topics(main="t")
MAIN, MAIN_TOO = TopicPartition("t", 0), TopicPartition("t", 1)
SHORT, LONG, HELD = (
    TopicPartition(name, 0) for name in ("t.retry.1s", "t.retry.10m", "t.held")
)
ORIGIN = Place("t", 0, 7)


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
    record = a_record(of, waits_for=waits_for)
    arrival = replace(record.arrival, sequence=sequence, attempts=sequence)
    return parked_headers(replace(record, arrival=arrival), due, "451 later")


def a_record(
    of: Trigger, mark: "Fetched | None" = None, waits_for: str | None = None
) -> Record:
    positions = Positions()
    return Record(
        trigger=of,
        arrival=Arrival(profile=of.profile, id=of.id),
        origin=ORIGIN,
        mark=mark.mark if mark else positions.take(MAIN, 0, 1, NOON, NOON),
        at=NOON,
        waits_for=waits_for,
    )


def a_shelf(*, ordered: bool = False, terms: KafkaOptions | None = None) -> Buffer:
    return Buffer(
        topics=TOPICS,
        positions=Positions(),
        wakes=Wakes(),
        lines=KeyOrder(ordered=ordered),
        profile=PROFILE,
        terms=terms or KafkaOptions(),
    )


@dataclass(slots=True)
class Reader:
    """Puts records on a shelf as the pump does."""

    shelf: Buffer

    def put(self, *raws: ConsumerRecord, at: datetime = NOON) -> None:
        for each in raws:
            partition = TopicPartition(each.topic, each.partition)
            mark = self.shelf.positions.take(partition, each.offset, 1, at, at)
            self.shelf.put(partition, [Fetched(each, mark, at)])

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
        self.shelf.forget(partitions, now)
        for each in partitions:
            self.shelf.positions.revoke(each)
        self.shelf.forget(partitions, now)


def due(taking: Drawn) -> list[str]:
    return [record.trigger.id for record in taking.due]


def early(taking: Drawn) -> list[str]:
    return [record.trigger.id for record in taking.early]
