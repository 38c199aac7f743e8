"""CloudEvents: the trigger in a CloudEvent, and what the event says about it.

CloudEvents 1.0 over Kafka, in both modes: structured, where the value is the event's
JSON, and binary, where the value is the trigger and the event stands in headers `ce_…`.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md

Read here and not by the package `cloudevents`: of two members of the same name it takes
the last, in the event and in the trigger in it.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    require_object,
    require_text,
)
from keyrelay.model.instant import parse_instant
from keyrelay.model.trigger import LARGEST_TRIGGER, MalformedTrigger
from keyrelay.vault.framing import frame

Headers = Sequence[tuple[str, bytes | None]]

# A trigger in base64, and room for what stands around it.
_LARGEST_EVENT = 2 * LARGEST_TRIGGER
_LONGEST = 2048  # characters of an attribute
_CONTENT_TYPE = "content-type"
_EVENT = "application/cloudevents"
_REQUIRED = ("id", "source", "specversion", "type")
_MARKS = frozenset(f"ce_{name}" for name in _REQUIRED)
_READ = {_CONTENT_TYPE, "ce_time", "ce_partitionkey", *_MARKS}
_JSON = re.compile(r"[^/]+/([^/]+\+)?json")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwrappedEvent:
    """`document` is the trigger's JSON. What it leaves out is the event's: `id`, the
    instant it was `raised_at`, `key`."""

    document: bytes
    id: str | None = None
    raised_at: datetime | None = None
    key: str | None = None


def unwrap(value: bytes, headers: Headers) -> UnwrappedEvent:
    """Take the trigger out of a record, or raise MalformedTrigger.

    A record that is no CloudEvent holds the trigger itself.
    """
    if not headers:
        return UnwrappedEvent(document=value)
    try:
        return _unwrap(value, headers)
    except InvalidDefinition as fault:
        raise MalformedTrigger(str(fault)) from None


def _unwrap(value: bytes, headers: Headers) -> UnwrappedEvent:
    # HTTP's spelling is let through, for what bridges write.
    read = [(name.lower(), said) for name, said in headers if name.lower() in _READ]
    said = dict(read)
    # Its bytes may be anything as long as nobody says that this is an event.
    content_type = (said.pop(_CONTENT_TYPE, None) or b"").decode("latin-1")
    media_type = content_type.partition(";")[0].strip().lower()
    structured = media_type.startswith(_EVENT)
    if not structured and _MARKS.isdisjoint(said):
        return UnwrappedEvent(document=value)
    if len({name for name, _ in read}) != len(read):
        raise InvalidDefinition("a header of the CloudEvent stands twice")
    if structured:
        return _structured(value, media_type)
    _require_json(media_type)
    return _event(_attributes(said), value)


def _structured(value: bytes, media_type: str) -> UnwrappedEvent:
    if media_type != f"{_EVENT}+json":
        raise InvalidDefinition(
            f"a CloudEvent's content-type is {_EVENT}+json: one event, in JSON"
        )
    if len(value) > _LARGEST_EVENT:
        raise InvalidDefinition(f"a CloudEvent larger than {_LARGEST_EVENT} bytes")
    event = parse_document(value)
    if (declared := event.get("datacontenttype")) is not None:
        text = require_text(declared, "datacontenttype", longest=_LONGEST)
        _require_json(text.partition(";")[0].strip().lower())
    return _event(event, _data(event))


def _event(attributes: Mapping[str, object], document: bytes) -> UnwrappedEvent:
    for name in _REQUIRED:
        require_text(attributes.get(name), f"a CloudEvent's {name}", longest=_LONGEST)
    if attributes["specversion"] != "1.0":
        raise InvalidDefinition("a CloudEvent's specversion must be 1.0")
    key = attributes.get("partitionkey")
    return UnwrappedEvent(
        document=document,
        id=_id(str(attributes["source"]), str(attributes["id"])),
        raised_at=parse_instant(attributes.get("time"), "a CloudEvent's time"),
        key=None if key is None else require_text(key, "partitionkey", longest=128),
    )


def _id(source: str, id_: str) -> str:
    # The two together are unique, says the specification, and either alone is not.
    return hashlib.sha256(frame(source, id_)).hexdigest()[:24]


def _attributes(said: Mapping[str, bytes | None]) -> Mapping[str, str]:
    return {name.removeprefix("ce_"): _text(name, raw) for name, raw in said.items()}


def _text(name: str, raw: bytes | None) -> str:
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:  # it holds what was sent, so it ends here
        pass
    raise InvalidDefinition(f"the header {name} is not UTF-8")


def _data(event: Mapping[str, object]) -> bytes:
    """Return the trigger's JSON. A string in `data` is a string, whatever is in it."""
    encoded = event.get("data_base64")
    if encoded is None:
        data = require_object(event.get("data"), "a CloudEvent's data")
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    if "data" in event:
        raise InvalidDefinition("a CloudEvent has data or data_base64, not both")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):  # also what is not ASCII
            pass
    raise InvalidDefinition("a CloudEvent's data_base64 must be base64")


def _require_json(media_type: str) -> None:
    # Left out, it is JSON (CloudEvents 1.0.2, JSON event format, 3.1.1).
    if media_type and _JSON.fullmatch(media_type) is None:
        raise InvalidDefinition("a CloudEvent's datacontenttype must be JSON")
