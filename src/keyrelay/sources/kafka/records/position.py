"""Positions: where a record stands in Kafka."""

from dataclasses import dataclass

from aiokafka.structs import TopicPartition


@dataclass(frozen=True, slots=True)
class TopicPartitionOffset:
    """Where a record stands; headers hold it as `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class FetchPosition:
    """Where a fetched record stands, under one assignment of its partition.

    `epoch` is another number for each assignment of a partition to this process.
    """

    partition: TopicPartition
    epoch: int
    offset: int
