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

from keyrelay.model.claim import Arrival
from keyrelay.model.ids import is_id
from keyrelay.model.instant import parse_instant
from keyrelay.model.trigger import MalformedTrigger, Origin, Trigger
from keyrelay.sources.kafka.buffer.positions import Mark
from keyrelay.sources.kafka.records.cloud_event import unwrap

Headers = Sequence[tuple[str, bytes]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = "keyrelay-"
_LONGEST = 9  # digits of a count; what keeps claims takes no more than 32 bits


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trigger was first read."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the log gave us. `at` is when it was written, or when it came if that is
    earlier: the clock of whoever wrote it may be ahead by any time. With a `flaw` it
    could not be read, and nothing but its place is known."""

    raw: ConsumerRecord
    mark: Mark
    at: datetime
    flaw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A trigger under way. What is not due before `due` may also `wait for` a secret
    to be replaced; `at` as in Fetched."""

    trigger: Trigger
    arrival: Arrival
    origin: Place
    mark: Mark
    at: datetime
    due: datetime | None = None
    waits_for: str | None = None


def read_published(fetched: Fetched, profile: str | None) -> Record:
    """Read what a producer wrote, or raise MalformedTrigger.

    What it leaves out is the same whenever the record is read: its id and the time it
    was raised are those of the event that it is in, or come from where and when it
    stands in the log.
    """
    raw = fetched.raw
    place = Place(raw.topic, raw.partition, raw.offset)
    event = unwrap(raw.value or b"", raw.headers)
    origin = Origin(
        profile=profile,
        now=lambda: event.raised_at or written_at(raw),
        new_id=lambda _: event.id or _id_of(place),
    )
    trigger = Trigger.parse(event.document, origin)
    if trigger.key is None and event.key is not None:
        trigger = replace(trigger, key=event.key)
    return Record(
        trigger=trigger,
        arrival=Arrival(profile=trigger.profile, id=trigger.id),
        origin=place,
        mark=fetched.mark,
        at=fetched.at,
    )


def read_parked(fetched: Fetched) -> Record:
    """Read what a worker wrote, or raise MalformedTrigger."""
    raw = fetched.raw
    trigger = Trigger.decode(raw.value or b"")
    said = {name.removeprefix(_PREFIX): value for name, value in raw.headers}
    try:
        return Record(
            trigger=trigger,
            arrival=Arrival(
                profile=trigger.profile,
                id=trigger.id,
                generation=_count(said["life"]),
                sequence=_count(said["turn"]),
                attempts=_count(said["attempts"]),
                cut=said["cut"] == b"true",
                done=_parts(said["done"]),
            ),
            origin=_place(said["origin"]),
            mark=fetched.mark,
            at=fetched.at,
            due=parse_instant(_text(said["due"]), "due"),
            waits_for=_secret(said["waits-for"]) if "waits-for" in said else None,
        )
    except (KeyError, ValueError, RecursionError):
        raise MalformedTrigger("its headers are not what a worker writes") from None


def parked_headers(record: Record, due: datetime, reason: str) -> Headers:
    arrival = record.arrival
    said = {
        "life": str(arrival.generation),
        "turn": str(arrival.sequence),
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
    said = sum(len(name) + len(value or b"") + 150 for name, value in raw.headers)
    return 500 + len(raw.key or b"") + len(raw.value or b"") + said


def _encoded(said: dict[str, str]) -> Headers:
    return [(_PREFIX + name, text.encode()) for name, text in said.items()]


# Whatever is not what we write raises ValueError; null is a header's value, too.


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode()


def _count(raw: bytes | None) -> int:
    if raw is None or not raw.isdigit() or len(raw) > _LONGEST:
        raise ValueError
    return int(raw)


def _parts(raw: bytes | None) -> frozenset[str]:
    names = json.loads(_text(raw))
    if not isinstance(names, list):
        raise ValueError  # noqa: TRY004 - it is the message that is wrong
    return frozenset(map(_part, names))


def _part(name: object) -> str:
    if not isinstance(name, str) or "\0" in name:  # no database takes that in a text
        raise ValueError
    name.encode()  # nor half of a character
    return name


def _secret(raw: bytes | None) -> str:
    id_ = _text(raw)
    if not is_id(id_):
        raise ValueError
    return id_


def _place(raw: bytes | None) -> Place:
    topic, partition, offset = _text(raw).rsplit("/", 2)
    return Place(topic, int(partition), int(offset))


def _id_of(place: Place) -> str:
    return hashlib.sha256(str(place).encode()).hexdigest()[:24]
