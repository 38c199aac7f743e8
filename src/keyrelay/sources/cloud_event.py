"""CloudEvents: the trigger in a CloudEvent, and what the event says about it.

CloudEvents 1.0 in both modes. Structured: the value is the event in JSON. Binary: the
value is the trigger, and the headers `ce_…` are the event, over HTTP `ce-…`.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

The package `cloudevents` is not used: of two members with the same name it takes the
last, in the event and in the trigger inside.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote_to_bytes

from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    require_object,
    require_text,
)
from keyrelay.model.instant import parse_instant
from keyrelay.model.trigger import (
    LARGEST_TRIGGER,
    MalformedTrigger,
    Origin,
    Trigger,
)
from keyrelay.vault.framing import frame

Headers = Sequence[tuple[str, bytes | None]]

# Bytes: a trigger in base64, and room for the event around it.
LARGEST_EVENT = 2 * LARGEST_TRIGGER
_LONGEST = 2048  # characters of an attribute
_CONTENT_TYPE = "content-type"
_EVENT = "application/cloudevents"
_REQUIRED = ("id", "source", "specversion", "type")
_REQUIRED_HEADERS = frozenset(f"ce_{name}" for name in _REQUIRED)
_READ = {_CONTENT_TYPE, "ce_time", "ce_partitionkey", *_REQUIRED_HEADERS}
_JSON = re.compile(r"[^/]+/([^/]+\+)?json")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwrappedEvent:
    """`document` is the trigger's JSON. The event gives what that leaves out: the `id`,
    when it was `raised_at`, and the `key`."""

    document: bytes
    id: str | None = None
    raised_at: datetime | None = None
    key: str | None = None

    def trigger(self, origin: Origin) -> Trigger:
        """Read the trigger, or raise MalformedTrigger."""
        known = replace(
            origin,
            new_id=lambda now: self.id or origin.new_id(now),
            raised_at=self.raised_at or origin.raised_at,
        )
        trigger = Trigger.parse(self.document, known)
        if trigger.key is not None or self.key is None:
            return trigger
        return replace(trigger, key=self.key)


def headers_of_http(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers of a request that are an event's, as a record would have them.

    Values are in Latin-1, quoted or percent-encoded (HTTP protocol binding, 3.1.3.2).
    """
    return [
        (f"ce_{name[3:]}", unquote_to_bytes(_unquoted(value).encode("latin-1")))
        if (name := given.lower()).startswith("ce-")
        else (name, value.encode("latin-1"))
        for given, value in headers
        if given.lower().startswith("ce-") or given.lower() == _CONTENT_TYPE
    ]


def media_type_of(content_type: str) -> str:
    """Return the media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


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
    # In any case of letters: bridges from HTTP write them in its spelling.
    read = [(name.lower(), value) for name, value in headers if name.lower() in _READ]
    known = dict(read)
    # Latin-1, because a record that is no CloudEvent may have any bytes there.
    content_type = (known.pop(_CONTENT_TYPE, None) or b"").decode("latin-1")
    media_type = media_type_of(content_type)
    structured = media_type.startswith(_EVENT)
    if not structured and _REQUIRED_HEADERS.isdisjoint(known):
        return UnwrappedEvent(document=value)
    if len({name for name, _ in read}) != len(read):
        raise InvalidDefinition("a header of the CloudEvent stands twice")
    if structured:
        return _structured(value, media_type)
    _require_json(media_type)
    return _event(_attributes(known), value)


def _structured(value: bytes, media_type: str) -> UnwrappedEvent:
    if media_type != f"{_EVENT}+json":
        raise InvalidDefinition(
            f"a CloudEvent's content-type is {_EVENT}+json: one event, in JSON"
        )
    if len(value) > LARGEST_EVENT:
        raise InvalidDefinition(f"a CloudEvent larger than {LARGEST_EVENT} bytes")
    event = parse_document(value)
    if (declared := event.get("datacontenttype")) is not None:
        text = require_text(declared, "datacontenttype", longest=_LONGEST)
        _require_json(media_type_of(text))
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
    # The specification makes the two unique together, and neither alone.
    return hashlib.sha256(frame(source, id_)).hexdigest()[:24]


def _attributes(headers: Mapping[str, bytes | None]) -> Mapping[str, str]:
    return {name.removeprefix("ce_"): _text(name, raw) for name, raw in headers.items()}


def _text(name: str, raw: bytes | None) -> str:
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:  # not raised on: it holds what was sent
        pass
    raise InvalidDefinition(f"the header {name} is not UTF-8")


def _data(event: Mapping[str, object]) -> bytes:
    """Return the trigger's JSON. A string in `data` is refused, even one of JSON."""
    encoded = event.get("data_base64")
    if encoded is None:
        data = require_object(event.get("data"), "a CloudEvent's data")
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    if "data" in event:
        raise InvalidDefinition("a CloudEvent has data or data_base64, not both")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):  # ValueError: it is not ASCII
            pass
    raise InvalidDefinition("a CloudEvent's data_base64 must be base64")


def _unquoted(value: str) -> str:
    """Return what a quoted string holds (RFC 9110, 5.6.4); any other as it is."""
    quoted = _QUOTED.fullmatch(value.strip())
    return value if quoted is None else _PAIR.sub(r"\1", quoted[1])


def _require_json(media_type: str) -> None:
    # Left out, it is JSON (CloudEvents 1.0.2, JSON event format, 3.1.1).
    if media_type and _JSON.fullmatch(media_type) is None:
        raise InvalidDefinition("a CloudEvent's datacontenttype must be JSON")
