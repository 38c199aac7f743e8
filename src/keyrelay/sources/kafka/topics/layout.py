"""Layout: how topics must be set up, and how those that exist differ from it.

All of it serves one promise: what Kafka has acknowledged is there until it is settled.
So nothing is deleted for its size or compacted away, and with three replicas two have a
record before it counts as written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.sources.kafka.records.size import LARGEST_PUBLISHED, LARGEST_RECORD
from keyrelay.sources.kafka.topics.names import Topics

_WAITING = timedelta(days=7)
_DEAD = timedelta(days=30)
_UNLIMITED = -1
# Settings that may also be larger.
_LEAST = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})


class RefusedByKafka(Exception):
    """Kafka refuses a topic like this; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSize:
    """How many partitions a topic has, and how many replicas each of them."""

    partitions: int
    replication: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it should be or as it is; `settings` by Kafka's own names."""

    name: str
    size: TopicSize
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A setting of a topic that endangers what Keyrelay promises."""

    topic: str
    setting: str
    found: str
    wanted: str

    def __str__(self) -> str:
        where = f"topic {self.topic}: {self.setting}"
        return f"{where} is {self.found}, and must be {self.wanted}"


def wanted_topics(topics: Topics, size: TopicSize) -> tuple[Topic, ...]:
    """Return all topics that workers and producers need."""
    waiting = (*topics.retries, topics.held)
    return (
        _topic(topics.main, size, _WAITING, LARGEST_PUBLISHED),
        *(_topic(name, size, _WAITING, LARGEST_RECORD) for name in waiting),
        _topic(topics.dead, size, _DEAD, LARGEST_RECORD),
    )


def deviations(wanted: Topic, found: Topic) -> Iterator[Deviation]:
    """Yield the settings that are worse than wanted; better ones are fine."""
    numbers = (
        ("partitions", wanted.size.partitions, found.size.partitions),
        ("replication", wanted.size.replication, found.size.replication),
    )
    for name, least, there in numbers:
        if there < least:
            yield _deviation(wanted, name, str(there), f"at least {least}")
    for name, value in wanted.settings.items():
        there_is = found.settings.get(name, "not known")
        if not _serves(name, value, there_is):
            yield _deviation(wanted, name, there_is, _bound(name, value))


def _topic(name: str, size: TopicSize, retention: timedelta, largest: int) -> Topic:
    milliseconds = retention // timedelta(milliseconds=1)
    return Topic(
        name=name,
        size=size,
        settings={
            "cleanup.policy": "delete",
            "retention.ms": str(milliseconds),
            "retention.bytes": str(_UNLIMITED),
            "max.message.bytes": str(largest),
            "message.timestamp.type": "CreateTime",
            "min.insync.replicas": "2" if size.replication >= 3 else "1",
        },
    )


def _deviation(topic: Topic, setting: str, found: str, wanted: str) -> Deviation:
    return Deviation(topic=topic.name, setting=setting, found=found, wanted=wanted)


def _serves(name: str, wanted: str, found: str) -> bool:
    if name not in _LEAST:
        return found == wanted
    # Kafka writes -1 for unlimited.
    return found.removeprefix("-").isdecimal() and (
        int(found) == _UNLIMITED or int(found) >= int(wanted)
    )


def _bound(name: str, value: str) -> str:
    return f"at least {value}" if name in _LEAST else value
