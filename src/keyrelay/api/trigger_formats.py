"""Trigger formats: how a request holds triggers, by its headers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keyrelay.model.trigger import Origin, Trigger
from keyrelay.sources.cloud_event import (
    LARGEST_EVENT,
    Headers,
    headers_of_http,
    media_type_of,
    unwrap,
)
from keyrelay.sources.cutting import Cutter, JsonList, Lines, Unfinished, Whole
from keyrelay.sources.short_list import SHORT, ShortList

LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
EVENT = "application/cloudevents+json"
EVENTS = "application/cloudevents-batch+json"
_ANY_EVENT = "application/cloudevents"
_ATTRIBUTE = "ce_"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerFormat:
    """`read` raises MalformedTrigger."""

    cutter: Cutter
    read: Callable[[bytes, Origin], Trigger]


def format_of(headers: Mapping[str, str]) -> TriggerFormat:
    """Return how the body is to be read; what is no format of ours is taken as JSON."""
    sent = headers_of_http(headers.items())
    media_type = media_type_of(headers.get("content-type", ""))
    if media_type in LINES:
        return TriggerFormat(cutter=Lines(), read=Trigger.parse)
    if media_type == EVENTS:
        structured = [("content-type", EVENT.encode())]
        events = _list_cutter(headers, JsonList(_event()))
        return TriggerFormat(cutter=events, read=_unwrapping(structured))
    if media_type.startswith(_ANY_EVENT) or _has_attributes(sent):
        return TriggerFormat(cutter=Whole(_event()), read=_unwrapping(sent))
    return TriggerFormat(cutter=_list_cutter(headers, JsonList()), read=Trigger.parse)


def _list_cutter(headers: Mapping[str, str], otherwise: JsonList) -> Cutter:
    """Return what cuts a list; one of unknown length, as it comes: it may take long."""
    length = headers.get("content-length", "")
    is_short = length.isdecimal() and int(length) <= SHORT
    return ShortList(otherwise) if is_short else otherwise


def _event() -> Unfinished:
    return Unfinished(longest=LARGEST_EVENT + 1)


def _has_attributes(headers: Headers) -> bool:
    return any(name.startswith(_ATTRIBUTE) for name, _ in headers)


def _unwrapping(headers: Headers) -> Callable[[bytes, Origin], Trigger]:
    return lambda document, origin: unwrap(document, headers).trigger(origin)
