"""Inspection: how much the log holds that is not settled yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from keyrelay.model.backlog import Depth, Lag
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.topics.names import Topics


async def depth(clients: KafkaClients, topics: Topics) -> Depth:
    """Return what no reader of the group has settled. Raises KafkaError.

    How old it is, is for each reader to say of its own partitions.
    """
    group = clients.connection.address.group
    async with clients.administrating() as administrator:
        described = await administrator.describe_topics(list(topics.read))
        settled = await administrator.list_consumer_group_offsets(group)
    partitions = [
        TopicPartition(topic["topic"], each["partition"])
        for topic in described
        for each in topic["partitions"]
    ]
    async with clients.onlooker() as onlooker:
        firsts = await onlooker.beginning_offsets(partitions)
        ends = await onlooker.end_offsets(partitions)
    left = dict.fromkeys(topics.read, 0)
    for each in partitions:
        known = settled.get(each)
        begin = max(firsts[each], known.offset if known else 0)
        left[each.topic] += max(0, ends[each] - begin)
    due = left[topics.main]
    return Depth(waiting=sum(left.values()), due=due, leased=0, age=timedelta())


async def lags(
    consumer: AIOKafkaConsumer, positions: Positions, now: datetime
) -> Sequence[Lag]:
    """Return what one reader has to do still, topic by topic. Raises KafkaError."""
    assigned = sorted(consumer.assignment())
    # Asked for: what the reader knows of the ends is as old as its last fetch, and of a
    # partition whose window is full it fetches nothing.
    ends = await consumer.end_offsets(assigned)
    waiting: dict[str, int] = {}
    oldest: dict[str, datetime] = {}
    for partition in assigned:
        read = await consumer.position(partition)
        unread = max(0, ends[partition] - read)
        topic = partition.topic
        waiting[topic] = waiting.get(topic, 0) + unread + positions.open(partition)
        since = positions.oldest(partition)
        if since is not None:
            oldest[topic] = min(since, oldest.get(topic, since))
    return [
        Lag(topic=topic, waiting=count, age=max(timedelta(), now - oldest[topic]))
        if topic in oldest
        else Lag(topic=topic, waiting=count, age=timedelta())
        for topic, count in waiting.items()
    ]
