"""Layout: how our topics must be, and how those that are there differ from it.

Everything here is for one promise: what Kafka has acknowledged is there until it is
settled. So nothing is dropped for its size or compacted away, and of three copies two
have each record before it counts as written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.trigger import LARGEST_TRIGGER
from keyrelay.sources.kafka.topics.names import Topics

# A trigger is kept as ASCII, in which one character can take six times the room.
_ROOM_FOR_TRIGGER = 6 * LARGEST_TRIGGER
# What producers write fits with room for their headers; and whatever they wrote fits,
# with ours, where workers put it.
LARGEST_PUBLISHED = _ROOM_FOR_TRIGGER + LARGEST_TRIGGER
LARGEST_RECORD = LARGEST_PUBLISHED + LARGEST_TRIGGER

_WAITING = timedelta(days=7)
_DEAD = timedelta(days=30)
_UNLIMITED = -1
# Of these more is no fault.
_LEAST = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})


class RefusedByKafka(Exception):
    """Kafka will not have a topic like this; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How often a topic is divided, and how often each part is kept."""

    partitions: int
    replication: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it is to be or as it is; `settings` by Kafka's own names."""

    name: str
    copies: Copies
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Something about a topic that breaks what we promise."""

    topic: str
    setting: str
    found: str
    wanted: str

    def __str__(self) -> str:
        where = f"topic {self.topic}: {self.setting}"
        return f"{where} is {self.found}, and must be {self.wanted}"


def wanted_topics(topics: Topics, copies: Copies) -> tuple[Topic, ...]:
    """Return all that workers and producers need."""
    waiting = (*topics.retries, topics.held)
    return (
        _topic(topics.main, copies, _WAITING, LARGEST_PUBLISHED),
        *(_topic(name, copies, _WAITING, LARGEST_RECORD) for name in waiting),
        _topic(topics.dead, copies, _DEAD, LARGEST_RECORD),
    )


def deviations(wanted: Topic, found: Topic) -> Iterator[Deviation]:
    """Yield what is worse than wanted; what is better is left alone."""
    copies = (
        ("partitions", wanted.copies.partitions, found.copies.partitions),
        ("replication", wanted.copies.replication, found.copies.replication),
    )
    for name, least, there in copies:
        if there < least:
            yield _deviation(wanted, name, str(there), f"at least {least}")
    for name, value in wanted.settings.items():
        there_is = found.settings.get(name, "not known")
        if not _serves(name, value, there_is):
            yield _deviation(wanted, name, there_is, _bound(name, value))


def _topic(name: str, copies: Copies, retention: timedelta, largest: int) -> Topic:
    milliseconds = retention // timedelta(milliseconds=1)
    return Topic(
        name=name,
        copies=copies,
        settings={
            "cleanup.policy": "delete",
            "retention.ms": str(milliseconds),
            "retention.bytes": str(_UNLIMITED),
            "max.message.bytes": str(largest),
            "message.timestamp.type": "CreateTime",
            "min.insync.replicas": "2" if copies.replication >= 3 else "1",
        },
    )


def _deviation(topic: Topic, setting: str, found: str, wanted: str) -> Deviation:
    return Deviation(topic=topic.name, setting=setting, found=found, wanted=wanted)


def _serves(name: str, wanted: str, found: str) -> bool:
    if name not in _LEAST:
        return found == wanted
    # -1 is what Kafka calls unlimited.
    return found.removeprefix("-").isdecimal() and (
        int(found) == _UNLIMITED or int(found) >= int(wanted)
    )


def _bound(name: str, value: str) -> str:
    return f"at least {value}" if name in _LEAST else value
