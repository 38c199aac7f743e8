"""Undecodable records: records that the client library cannot decode are passed over.

The name of a header is text (KIP-82), but no broker checks that it is UTF-8. At a name
that is not, aiokafka raises: for every partition that is asked for, and each time anew.
So the partitions are read record by record up to that record, and then from behind it.
The records after it in its batch, which its producer sent with it, raise as well, and
each of them is passed over too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord, TopicPartition

from keyrelay.sources.kafka.connecting.unpacking import BatchTooLarge

REASON = (
    "the name of a header is not UTF-8, in it or in a record that was sent before it"
)

_PATIENCE = 1000  # milliseconds for a record that is known to be there
_MOST = 500  # records that are read one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialFetch:
    """The records that could be decoded, and the place of the one that could not.

    `too_large` is the place of a batch that is not passed over.
    """

    decoded: Sequence[ConsumerRecord]
    passed_over: tuple[TopicPartition, int] | None = None
    too_large: tuple[TopicPartition, int] | None = None


async def fetch_around(
    client: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> PartialFetch:
    """Read up to the first record that cannot be decoded, and pass over it.

    Or up to the first batch that is too large. Raises KafkaError as the library does.
    """
    decoded: list[ConsumerRecord] = []
    partition = None
    try:
        for partition in await _behind(client, partitions):
            offset = await _read_up_to(client, partition, decoded)
            if offset is not None:
                client.seek(partition, offset + 1)
                return PartialFetch(decoded=decoded, passed_over=(partition, offset))
    except IllegalStateError:  # the partition was revoked meanwhile
        pass
    except BatchTooLarge:
        assert partition is not None
        offset = int(await client.position(partition))
        return PartialFetch(decoded=decoded, too_large=(partition, offset))
    return PartialFetch(decoded=decoded)


def placeholder(
    partition: TopicPartition, offset: int, now: datetime
) -> ConsumerRecord:
    """Return an empty record in the place of one that cannot be decoded."""
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
    client: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Sequence[TopicPartition]:
    ends = await client.end_offsets(list(partitions))
    return [each for each in ends if ends[each] > await client.position(each)]


async def _read_up_to(
    client: AIOKafkaConsumer,
    partition: TopicPartition,
    decoded: list[ConsumerRecord],
) -> int | None:
    """Add to `decoded` up to the record that cannot be decoded; return its offset.

    Returns None if there is no such record among the next ones.
    """
    for _ in range(_MOST):
        try:
            # One at a time: of several, those before it would be lost with it.
            fetched = await client.getmany(
                partition, timeout_ms=_PATIENCE, max_records=1
            )
        except UnicodeDecodeError:
            return int(await client.position(partition))
        if not fetched:
            break
        decoded += fetched[partition]
    return None
