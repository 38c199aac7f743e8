"""Records: triggers as they stand in Kafka, and what is known of earlier attempts.

A producer writes the trigger alone. A worker that puts a trigger back also writes
headers: which record of the trigger it is, what was attempted, when it is due, where it
was first read and the date of its message. These are believed only in the topics that
workers write. What our own faces accept has one header, `keyrelay-revision`, the
revision of the definitions at that moment: a producer that makes one up makes its own
trigger wait.

The headers `keyrelay-life` and `keyrelay-turn` hold `Arrival.generation` and
`Arrival.sequence` (model/claim.py). Their names must not change: a record outlives the
program that wrote it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiokafka.structs import ConsumerRecord

from keyrelay.model.claim import Arrival
from keyrelay.model.ids import is_id
from keyrelay.model.instant import parse_instant
from keyrelay.model.revision import Revision, parse_revision
from keyrelay.model.trigger import MalformedTrigger, Origin, Trigger
from keyrelay.sources.cloud_event import unwrap
from keyrelay.sources.kafka.records.made_up_ids import (
    made_up_id,
    place_of,
    timestamp_of,
)
from keyrelay.sources.kafka.records.position import FetchPosition, TopicPartitionOffset
from keyrelay.sources.kafka.records.size import LARGEST_VALUE

Headers = Sequence[tuple[str, bytes]]

PREFIX = "keyrelay-"
_REVISION = PREFIX + "revision"
_LONGEST = 9  # digits of a count: databases keep it in 32 bits


@dataclass(frozen=True, slots=True)
class FetchedRecord:
    """A record as the client library returned it.

    `written_at` is its timestamp, or the time of the fetch if that is earlier: a
    producer's clock may be ahead by any time. `undecodable` says why the library could
    not decode it; then `raw` holds nothing but its place. `former_id` is the id under
    which an earlier release has claimed a record whose producer gave none.
    """

    raw: ConsumerRecord
    position: FetchPosition
    written_at: datetime
    undecodable: str | None = None
    former_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a trigger waits; less long if the secret `for_secret` is replaced."""

    until: datetime
    for_secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A trigger that was read from a record, and is not settled.

    `origin` is where the trigger was first read; `written_at` as in FetchedRecord.
    `wait` is what a worker wrote into the record, None in one that was published.
    """

    trigger: Trigger
    arrival: Arrival
    origin: TopicPartitionOffset
    position: FetchPosition
    written_at: datetime
    wait: Wait | None = None

    @property
    def waits_for(self) -> str | None:
        return None if self.wait is None else self.wait.for_secret


def read_published(fetched: FetchedRecord, profile: str | None) -> Record:
    """Read what a producer wrote, or raise MalformedTrigger.

    Triggers that name no profile belong to `profile`. What a trigger leaves out is the
    same whenever its record is read: its id and the time it was raised come from the
    event around it, or else from the record itself.
    """
    raw = fetched.raw
    if raw.value is None:
        raise MalformedTrigger("its value is null, a tombstone: no trigger is deleted")
    event = unwrap(raw.value, raw.headers)
    origin = Origin(
        profile=profile,
        now=lambda: fetched.written_at,
        new_id=lambda _: fetched.former_id or made_up_id(raw),
        raised_at=timestamp_of(raw),
        largest=LARGEST_VALUE,
    )
    trigger = event.trigger(origin)
    return Record(
        trigger=trigger.under(_revision(dict(raw.headers).get(_REVISION))),
        arrival=Arrival(profile=trigger.profile, id=trigger.id),
        origin=place_of(raw),
        position=fetched.position,
        written_at=fetched.written_at,
    )


def read_parked(fetched: FetchedRecord) -> Record:
    """Read what a worker wrote, or raise MalformedTrigger."""
    raw = fetched.raw
    trigger = Trigger.decode(raw.value or b"")
    headers = {name.removeprefix(PREFIX): value for name, value in raw.headers}
    try:
        return Record(
            trigger=_dated(trigger, headers).under(_revision(headers.get("revision"))),
            arrival=_arrival(trigger, headers),
            origin=_place(headers["origin"]),
            position=fetched.position,
            written_at=fetched.written_at,
            wait=_wait(headers),
        )
    except (KeyError, ValueError, RecursionError):
        raise MalformedTrigger("its headers are not what a worker writes") from None


def waits_for(raw: ConsumerRecord) -> str | None:
    """Return the id of the secret that a parked record waits for, unread else."""
    return _header(raw, "waits-for")


def due_at(raw: ConsumerRecord) -> datetime | None:
    """Return when a parked record is due, unread else; None, it does not say."""
    try:
        return parse_instant(_header(raw, "due"), "due")
    except ValueError:  # no worker wrote it
        return None


def _header(raw: ConsumerRecord, name: str) -> str | None:
    wanted = f"{PREFIX}{name}"
    return next((_text(value) for each, value in raw.headers if each == wanted), None)


# Each of these raises ValueError for what no worker writes; a header may hold null.


def _dated(trigger: Trigger, headers: Mapping[str, bytes | None]) -> Trigger:
    if "dated" not in headers:  # a release before 0.3 wrote it
        return trigger
    dated_at = parse_instant(_text(headers["dated"]), "dated")
    return replace(trigger, lifetime=replace(trigger.lifetime, dated_at=dated_at))


def _revision(raw: bytes | None) -> Revision | None:
    return parse_revision((raw or b"").decode(errors="replace"))


def _arrival(trigger: Trigger, headers: Mapping[str, bytes | None]) -> Arrival:
    return Arrival(
        profile=trigger.profile,
        id=trigger.id,
        generation=_count(headers["life"]),
        sequence=_count(headers["turn"]),
        attempts=_count(headers["attempts"]),
        cut=headers["cut"] == b"true",
        done=_parts(headers["done"]),
    )


def _wait(headers: Mapping[str, bytes | None]) -> Wait:
    until = parse_instant(_text(headers["due"]), "due")
    if until is None:
        raise ValueError
    secret = _secret(headers["waits-for"]) if "waits-for" in headers else None
    return Wait(until, secret)


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
    if not isinstance(name, str) or "\0" in name:  # no database keeps NUL in a text
        raise ValueError
    name.encode()  # raises for a lone surrogate
    return name


def _secret(raw: bytes | None) -> str:
    id_ = _text(raw)
    if not is_id(id_):
        raise ValueError
    return id_


def _place(raw: bytes | None) -> TopicPartitionOffset:
    topic, partition, offset = _text(raw).rsplit("/", 2)
    return TopicPartitionOffset(topic, int(partition), int(offset))
