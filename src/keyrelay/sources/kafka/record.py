"""Records: triggers as they stand in the log, and what is known of earlier attempts.

Whoever publishes writes the trigger alone. What workers put back carries in its
headers who it is (`life` and `turn`, see claim.py), what was tried, when it is due and
where it came from; only in their own topics are these headers believed.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiokafka.structs import ConsumerRecord

from keyrelay.claim import Arrival
from keyrelay.sources.kafka.cloud_event import unwrap
from keyrelay.sources.kafka.positions import Mark
from keyrelay.trigger import MalformedTrigger, Origin, Trigger

Headers = Sequence[tuple[str, bytes]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = "keyrelay-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trigger was first read."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A trigger under way. What is not due before `due` may also `wait for` a secret
    to be replaced; `at` is when it was written."""

    trigger: Trigger
    arrival: Arrival
    origin: Place
    mark: Mark
    at: datetime
    due: datetime | None = None
    waits_for: str | None = None


def read_published(raw: ConsumerRecord, mark: Mark, profile: str | None) -> Record:
    """Read what a producer wrote, or raise MalformedTrigger.

    What it leaves out is the same whenever the record is read: its id and the time it
    was raised are those of the event that it is in, or come from where and when it
    stands in the log.
    """
    place, at = Place(raw.topic, raw.partition, raw.offset), written_at(raw)
    event = unwrap(raw.value or b"", raw.headers)
    raised_at, id_ = event.raised_at or at, event.id or _id_of(place)
    origin = Origin(profile=profile, now=lambda: raised_at, new_id=lambda _: id_)
    trigger = Trigger.parse(event.document, origin)
    if trigger.key is None and event.key is not None:
        trigger = replace(trigger, key=event.key)
    return Record(
        trigger=trigger,
        arrival=Arrival(profile=trigger.profile, id=trigger.id),
        origin=place,
        mark=mark,
        at=at,
    )


def read_parked(raw: ConsumerRecord, mark: Mark) -> Record:
    """Read what a worker wrote, or raise MalformedTrigger."""
    trigger = Trigger.decode(raw.value or b"")
    said = {name.removeprefix(_PREFIX): value for name, value in raw.headers}
    try:
        return Record(
            trigger=trigger,
            arrival=Arrival(
                profile=trigger.profile,
                id=trigger.id,
                life=int(said["life"]),
                turn=int(said["turn"]),
                attempts=int(said["attempts"]),
                cut=said["cut"] == b"true",
                done=frozenset(map(str, json.loads(said["done"]))),
            ),
            origin=_place(said["origin"].decode()),
            mark=mark,
            at=written_at(raw),
            due=datetime.fromisoformat(said["due"].decode()),
            waits_for=said["waits-for"].decode() if "waits-for" in said else None,
        )
    except (KeyError, ValueError, TypeError):
        raise MalformedTrigger("its headers are not what a worker writes") from None


def parked_headers(record: Record, due: datetime, reason: str) -> Headers:
    arrival = record.arrival
    said = {
        "life": str(arrival.life),
        "turn": str(arrival.turn),
        "attempts": str(arrival.attempts),
        "cut": json.dumps(arrival.cut),
        "done": json.dumps(sorted(arrival.done)),
        "due": due.isoformat(),
        "reason": reason,
        "origin": str(record.origin),
    }
    if record.waits_for is not None:
        said["waits-for"] = record.waits_for
    return _encoded(said)


def dead_headers(origin: Place, reason: str, fault: str, attempts: int) -> Headers:
    said = {
        "reason": reason,
        "fault": fault,
        "attempts": str(attempts),
        "origin": str(origin),
    }
    return _encoded(said)


def parked_as(record: Record, arrival: Arrival, waits_for: str | None) -> Record:
    return replace(record, arrival=arrival, waits_for=waits_for)


def written_at(raw: ConsumerRecord) -> datetime:
    # A producer may write any number as the time, also one that is none.
    try:
        return _EPOCH + timedelta(milliseconds=max(0, raw.timestamp))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def size_of(raw: ConsumerRecord) -> int:
    """Return about how many bytes of memory the record holds."""
    return 500 + len(raw.key or b"") + len(raw.value or b"")


def _encoded(said: dict[str, str]) -> Headers:
    return [(_PREFIX + name, text.encode()) for name, text in said.items()]


def _place(text: str) -> Place:
    topic, partition, offset = text.rsplit("/", 2)
    return Place(topic, int(partition), int(offset))


def _id_of(place: Place) -> str:
    return hashlib.sha256(str(place).encode()).hexdigest()[:24]
