"""Trigger: one request, from outside, to perform one action."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from keyrelay.model.data_point import DataPoint, parse_points
from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    refuse_unknown,
    require_text,
)
from keyrelay.model.ids import is_id
from keyrelay.model.instant import parse_instant

LARGEST_TRIGGER = 1024 * 1024  # bytes; what SQS takes for one message
STANDARD_LIFETIME = timedelta(hours=24)

_FIELDS = frozenset({"id", "profile", "action", "data", "key", "raised_at", "deadline"})
# What may stand in a Message-ID (RFC 5322 dot-atom) and in an SQS deduplication id.
_TRIGGER_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class MalformedTrigger(ValueError):
    """The bytes are no trigger; the message says why, and quotes no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When a trigger was raised, and when its retries end; both in UTC."""

    raised_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a source knows about the triggers that come in through it.

    With a `profile`, a trigger may leave its own out and must not name another; without
    one, each trigger must name its own.
    """

    profile: str | None
    now: Callable[[], datetime]
    new_id: Callable[[datetime], str]


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
        """Read untrusted JSON of at most LARGEST_TRIGGER bytes.

        Raises MalformedTrigger.
        """
        if len(raw) > LARGEST_TRIGGER:
            raise MalformedTrigger(f"larger than {LARGEST_TRIGGER} bytes")
        return cls._parse(raw, origin)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read back what `encode` wrote, or raise MalformedTrigger.

        No limit: as ASCII, a trigger can have three times the bytes that were sent.
        """
        return cls._parse(raw, _STORED)

    @classmethod
    def _parse(cls, raw: bytes, origin: Origin) -> Self:
        try:
            return cls._from(parse_document(raw), origin)
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
            lifetime=_lifetime(document, now),
        )

    def encode(self) -> bytes:
        """Return JSON that `decode` reads back to an equal trigger."""
        head = {
            "id": self.id,
            "profile": self.profile,
            "action": self.action,
            "raised_at": self.lifetime.raised_at.isoformat(),
            "deadline": self.lifetime.deadline.isoformat(),
        }
        if self.key is not None:
            head["key"] = self.key
        points = ",".join(point.document for point in self.data)
        return f'{json.dumps(head)[:-1]}, "data": [{points}]}}'.encode()


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


def _lifetime(document: Mapping[str, object], now: datetime) -> Lifetime:
    raised_at = parse_instant(document.get("raised_at"), "raised_at")
    deadline = parse_instant(document.get("deadline"), "deadline")
    if raised_at is None:
        # A trigger with a deadline that has passed was raised before that deadline.
        raised_at = min(now, deadline or now)
    if deadline is None:
        deadline = _later(raised_at, STANDARD_LIFETIME)
    if deadline < raised_at:
        raise InvalidDefinition("deadline must not come before raised_at")
    return Lifetime(raised_at=raised_at, deadline=deadline)


def _later(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:
        raise InvalidDefinition("raised_at is out of range") from None
