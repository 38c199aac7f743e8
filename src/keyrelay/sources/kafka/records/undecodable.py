"""Undecodable records: what the client library cannot read is passed over.

A header's name is text, and no broker looks whether it is. At one that is not UTF-8
aiokafka raises, for whatever partition it is asked and as often as it is asked. So we
read record by record up to the one that is meant, and seek behind it. Those after it in
its batch, which a producer wrote with it, cannot be read either: each is passed over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord, TopicPartition

FLAW = "the name of a header is not UTF-8, in it or in a record that was sent before it"

_PATIENCE = 1000  # milliseconds for what is known to be there
_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What could be read, and the place of what could not: offset in a partition."""

    readable: Sequence[ConsumerRecord]
    passed_over: tuple[TopicPartition, int] | None = None


async def read_around(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Passage:
    """Read up to the first record that cannot be read, and pass over it.

    Raises KafkaError as the library does.
    """
    readable: list[ConsumerRecord] = []
    try:
        for partition in await _behind(consumer, partitions):
            offset = await _read_up_to(consumer, partition, readable)
            if offset is not None:
                consumer.seek(partition, offset + 1)
                return Passage(readable=readable, passed_over=(partition, offset))
    except IllegalStateError:  # the partition is somebody else's by now
        pass
    return Passage(readable=readable)


def stand_in(partition: TopicPartition, offset: int, now: datetime) -> ConsumerRecord:
    """Return what has the place of a record that cannot be read, and nothing in it."""
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp=int(now.timestamp() * 1000),
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )


async def _behind(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Sequence[TopicPartition]:
    ends = await consumer.end_offsets(list(partitions))
    return [each for each in ends if ends[each] > await consumer.position(each)]


async def _read_up_to(
    consumer: AIOKafkaConsumer,
    partition: TopicPartition,
    readable: list[ConsumerRecord],
) -> int | None:
    """Return the offset of what cannot be read, if it is near."""
    for _ in range(_MOST):
        try:
            # One: of more, those before it would be lost with it.
            fetched = await consumer.getmany(
                partition, timeout_ms=_PATIENCE, max_records=1
            )
        except UnicodeDecodeError:
            return int(await consumer.position(partition))
        if not fetched:
            break
        readable += fetched[partition]
    return None
