"""Inspection: how much in Kafka is not settled yet."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IllegalStateError,
    KafkaError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from keyrelay.model.backlog import Depth, Lag, PartitionBacklog
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.unpacking import (
    BatchTooLarge,
    TooMuchUnpacked,
    bounded_unpacking,
)
from keyrelay.sources.kafka.records.made_up_ids import timestamp_of
from keyrelay.sources.kafka.topics.names import Topics

_PATIENCE = 10.0  # seconds for a coordinator, or for the oldest records
_PAUSE = 0.2  # seconds before a coordinator is asked for again
_POLL = 500  # milliseconds


@contextmanager
def answering() -> Iterator[None]:
    """Turn what brokers do not answer into Unavailable."""
    try:
        yield
    except (KafkaError, IllegalStateError, TimeoutError) as fault:
        kind = type(fault).__name__
        raise Unavailable(f"Kafka does not answer ({kind})") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The offsets of a partition from `begin` up to `end` are not settled."""

    partition: TopicPartition
    begin: int
    end: int


async def depth(clients: KafkaClients, topics: Topics) -> Depth:
    """Return what no member of the group has settled. Raises KafkaError.

    `age` is zero: only the member that reads a partition knows how old its records are.
    """
    async with clients.onlooking() as onlooker:
        rests = await _rests(clients, onlooker, topics.read)
    due = [rest for rest in rests if rest.partition.topic == topics.main]
    return Depth(waiting=_count(rests), due=_count(due), leased=0, age=timedelta())


async def unread(clients: KafkaClients, topics: Topics) -> int:
    """Return how many published records are not settled. Raises KafkaError."""
    async with clients.onlooking() as onlooker:
        return _count(await _rests(clients, onlooker, [topics.main]))


async def backlogs(clients: KafkaClients, topics: Topics) -> Sequence[PartitionBacklog]:
    """Return the partitions in which anything is not settled. Raises KafkaError."""
    async with clients.onlooking() as onlooker:
        rests = await _rests(clients, onlooker, topics.read)
        left = [rest for rest in rests if rest.end > rest.begin]
        oldest = await _oldest(onlooker, left)
    return [
        PartitionBacklog(
            topic=rest.partition.topic,
            partition=rest.partition.partition,
            waiting=rest.end - rest.begin,
            oldest=oldest.get(rest.partition),
        )
        for rest in left
    ]


async def _rests(
    clients: KafkaClients, onlooker: AIOKafkaConsumer, topics: Sequence[str]
) -> Sequence[_Rest]:
    group = clients.connection.address.group
    async with clients.administrating() as administrator:
        described = await administrator.describe_topics(list(topics))
        settled = await _settled(administrator, group)
    partitions = sorted(
        TopicPartition(topic["topic"], each["partition"])
        for topic in described
        for each in topic["partitions"]
    )
    firsts = await onlooker.beginning_offsets(partitions)
    ends = await onlooker.end_offsets(partitions)
    rests = []
    for each in partitions:
        known = settled.get(each)
        begin = max(firsts[each], known.offset if known else 0)
        rests.append(_Rest(partition=each, begin=begin, end=max(begin, ends[each])))
    return rests


async def _settled(
    administrator: AIOKafkaAdminClient, group: str
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Return what the group has committed; a broker's first group takes a moment."""
    settled: Mapping[TopicPartition, OffsetAndMetadata] | None = None
    async with asyncio.timeout(_PATIENCE):
        while settled is None:
            try:
                settled = await administrator.list_consumer_group_offsets(group)
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(_PAUSE)
    return settled


def _count(rests: Sequence[_Rest]) -> int:
    return sum(rest.end - rest.begin for rest in rests)


async def _oldest(
    onlooker: AIOKafkaConsumer, left: Sequence[_Rest]
) -> Mapping[TopicPartition, datetime]:
    """Return when the first record of each was written, if that can be read in time."""
    found: dict[TopicPartition, datetime] = {}
    missing = {rest.partition for rest in left}
    if not missing:
        return found
    onlooker.assign(list(missing))
    for rest in left:
        onlooker.seek(rest.partition, rest.begin)
    with suppress(TimeoutError, BatchTooLarge, TooMuchUnpacked, UnicodeDecodeError):
        async with asyncio.timeout(_PATIENCE):
            while missing:
                with bounded_unpacking():
                    got = await onlooker.getmany(
                        *missing, timeout_ms=_POLL, max_records=1
                    )
                found |= {each: timestamp_of(raw) for each, (raw, *_) in got.items()}
                missing -= found.keys()
    return found


async def lags(
    client: AIOKafkaConsumer, positions: Positions, now: datetime
) -> Sequence[Lag]:
    """Return what is left to one member of the group, by topic. Raises KafkaError."""
    assigned = sorted(client.assignment())
    # The ends are asked for: those that the client knows are as old as its last fetch,
    # and it fetches nothing of a paused partition.
    ends = await client.end_offsets(assigned)
    waiting: dict[str, int] = {}
    oldest: dict[str, datetime] = {}
    for partition in assigned:
        read = await client.position(partition)
        unread = max(0, ends[partition] - read)
        topic = partition.topic
        waiting[topic] = waiting.get(topic, 0) + unread + positions.unsettled(partition)
        since = positions.first_written_at(partition)
        if since is not None:
            oldest[topic] = min(since, oldest.get(topic, since))
    return [
        Lag(topic=topic, waiting=count, age=max(timedelta(), now - oldest[topic]))
        if topic in oldest
        else Lag(topic=topic, waiting=count, age=timedelta())
        for topic, count in waiting.items()
    ]
