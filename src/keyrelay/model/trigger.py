"""Trigger: one request, from outside, to perform one action."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from keyrelay.model.data_point import DataPoint, parse_points
from keyrelay.model.documents import (
    DEEPEST,
    InvalidDefinition,
    parse_document,
    refuse_unknown,
    require_text,
)
from keyrelay.model.ids import is_id
from keyrelay.model.instant import parse_instant
from keyrelay.model.lifetime import Lifetime, standard_deadline, standard_lifetime
from keyrelay.model.revision import Revision

LARGEST_TRIGGER = 1024 * 1024  # bytes; what SQS takes for one message
# Numbers may be written longer than they were sent: 1e15 becomes 1000000000000000.0.
_MOST_GROWTH = 4

_FIELDS = frozenset({"id", "profile", "action", "data", "key", "raised_at", "deadline"})
# What may stand in a Message-ID (RFC 5322 dot-atom) and in an SQS deduplication id.
_TRIGGER_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class MalformedTrigger(ValueError):
    """The bytes are no trigger; the message says why, and quotes no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a source knows about the triggers that come in through it.

    With a `profile`, a trigger may leave its own out and must not name another; without
    one, each trigger must name its own. `now` is when a trigger is accepted, and when
    it was raised unless it or `raised_at` says so. `largest` are the bytes that a
    document may have; whatever they are, its data has at most LARGEST_TRIGGER once it
    is encoded. `publisher` is as in Lifetime.
    """

    profile: str | None
    now: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    raised_at: datetime | None = None
    largest: int = LARGEST_TRIGGER
    publisher: str | None = None


# `encode` writes every field, so `decode` has nothing to fill in.
_STORED = Origin(
    profile=None, now=lambda: datetime.max.replace(tzinfo=UTC), new_id=lambda _: ""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`id` is unique in its profile and may be the producer's own.

    Triggers with the same `key` can be kept in order (setting `ordering`).
    """

    id: str
    profile: str
    action: str
    data: tuple[DataPoint, ...]
    key: str | None
    lifetime: Lifetime

    @classmethod
    def parse(cls, raw: bytes, origin: Origin) -> Self:
        """Read untrusted JSON, or raise MalformedTrigger.

        What is read is encoded to a document that can be parsed as well as decoded,
        where documents may be a little larger than LARGEST_TRIGGER: the limits count
        what a trigger says, in whatever way it is written.
        """
        if len(raw) > origin.largest:
            raise MalformedTrigger(f"larger than {origin.largest} bytes")
        trigger = cls._parse(raw, origin, DEEPEST)
        if len(raw) > LARGEST_TRIGGER // _MOST_GROWTH:
            _require_small(trigger.data)
        return trigger

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read back what `encode` wrote, or raise MalformedTrigger."""
        # Releases before 0.2 accepted and wrote data points that are deeper by a level,
        # and wrote ASCII, which is larger.
        return cls._parse(raw, _STORED, DEEPEST + 1)

    @classmethod
    def _parse(cls, raw: bytes, origin: Origin, deepest: int) -> Self:
        try:
            return cls._from(parse_document(raw, deepest=deepest), origin)
        except InvalidDefinition as fault:
            raise MalformedTrigger(str(fault)) from None

    @classmethod
    def _from(cls, document: Mapping[str, object], origin: Origin) -> Self:
        refuse_unknown(document, _FIELDS, "a trigger")
        now, id_ = origin.now(), document.get("id")
        return cls(
            id=_trigger_id(origin.new_id(now) if id_ is None else id_),
            profile=_profile(document.get("profile"), origin.profile),
            action=_action(document.get("action")),
            data=parse_points(document.get("data")),
            key=_key(document.get("key")),
            lifetime=_lifetime(document, origin, accepted_at=now),
        )

    def dated(self, first_seen: datetime) -> Self:
        """Return the trigger with the date of its message decided, as in Lifetime."""
        return replace(self, lifetime=self.lifetime.dated(first_seen))

    def under(self, revision: Revision | None) -> Self:
        """Return the trigger as accepted under that revision of the definitions."""
        return replace(self, lifetime=replace(self.lifetime, revision=revision))

    def encode(self) -> bytes:
        """Return JSON that `decode` reads back to an equal trigger."""
        return _JSON.encode(self.document()).encode()

    def document(
        self, instant: Callable[[datetime], object] = datetime.isoformat
    ) -> Mapping[str, object]:
        """Return what `encode` writes, as values of JSON; of each time, `instant`'s."""
        key = {} if self.key is None else {"key": self.key}
        return {
            "id": self.id,
            "profile": self.profile,
            "action": self.action,
            "raised_at": instant(self.lifetime.raised_at),
            "deadline": instant(self.lifetime.deadline),
            **key,
            "data": [point.fields for point in self.data],
        }


# In UTF-8 and without blanks, so that data takes no more bytes than were sent.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _require_small(data: Sequence[DataPoint]) -> None:
    encoded = _JSON.encode([point.fields for point in data]).encode()
    if len(encoded) > LARGEST_TRIGGER:
        raise MalformedTrigger(f"its data is larger than {LARGEST_TRIGGER} bytes")


def _trigger_id(value: object) -> str:
    text = require_text(value, "a trigger's id", longest=64)
    if _TRIGGER_ID.fullmatch(text) is None:
        raise InvalidDefinition(
            "a trigger's id has letters, digits, '_', '-' and single dots between them"
        )
    return text


def _profile(value: object, ours: str | None) -> str:
    profile = ours if value is None else value
    if not isinstance(profile, str) or not is_id(profile):
        raise InvalidDefinition("a trigger names its profile by its 24-character id")
    if ours not in (None, profile):
        raise InvalidDefinition("a trigger must not name another profile")
    return profile


def _action(value: object) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise InvalidDefinition("a trigger names its action by its 24-character id")
    return value


def _key(value: object) -> str | None:
    return (
        None if value is None else require_text(value, "a trigger's key", longest=128)
    )


def _lifetime(
    document: Mapping[str, object], origin: Origin, *, accepted_at: datetime
) -> Lifetime:
    raised_at = parse_instant(document.get("raised_at"), "raised_at")
    deadline = parse_instant(document.get("deadline"), "deadline")
    raised = origin.raised_at or accepted_at
    if raised_at is None and deadline is None:
        return standard_lifetime(raised, accepted_at, origin.publisher)
    if raised_at is None:
        # A trigger with a deadline that has passed was raised before that deadline.
        raised_at = min(raised, deadline or raised)
    if deadline is None:
        deadline = standard_deadline(raised_at, accepted_at)
    # Of the two the deadline is what was meant.
    return Lifetime(
        raised_at=min(raised_at, deadline),
        deadline=deadline,
        publisher=origin.publisher,
    )
