"""Inspection: how much in Kafka is not settled yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from keyrelay.model.backlog import Depth, Lag
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.topics.names import Topics


async def depth(clients: KafkaClients, topics: Topics) -> Depth:
    """Return what no member of the group has settled. Raises KafkaError.

    `age` is zero: only the member that reads a partition knows how old its records are.
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
    async with clients.onlooking() as onlooker:
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
