"""Action form: what stands in the form of an action, as typed or as it is stored."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.console.forms import typed_rows, typed_tags
from keyrelay.console.given import Given
from keyrelay.console.own_api import Document
from keyrelay.model.action import ActionType

Rows = Sequence[Mapping[str, str]]

# What raises triggers: programs, whatever TagoIO's word for it is, or the time.
BY_PROGRAMS, BY_INTERVAL, BY_SCHEDULE = "programs", "interval", "schedule"
# The fields of one entry of `trigger`, by what raises triggers.
TIMES: Mapping[str, Sequence[str]] = {
    BY_PROGRAMS: (),
    BY_INTERVAL: ("interval",),
    BY_SCHEDULE: ("cron", "timezone"),
}
RETRY = ("attempts", "first_seconds", "longest_seconds")
OWN_TEXTS = ("name", "description")
OWN_BOXES = ("active", "lock")
_WHOLE = {"message", "html", "description"}  # of several lines
_LINE_ENDS = re.compile(r"\r\n?")
_BREAKS = re.compile(r"\s*[\r\n]+\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionForm:
    """What stands in the form.

    `texts` are by the names of their fields, those of `retry` with that before them;
    `ticked` are the boxes with a tick; `rows` are those of tags, attributes, analyses
    and times, by these names.
    """

    texts: Mapping[str, str]
    ticked: frozenset[str]
    rows: Mapping[str, Rows]
    occasion: str


def fields_like(type_: ActionType, *kinds: str) -> Sequence[str]:
    """Return the names of an action type's fields with values of these kinds."""
    fields = type_.fields
    return [each.name for each in fields if each.schema.get("type") in kinds]


def typed_action(form: Given, type_: ActionType) -> ActionForm:
    """Return what was typed."""
    occasion = form.text("occasion")
    occasion = occasion if occasion in TIMES else BY_PROGRAMS
    return ActionForm(
        texts={
            name: form.whole(name) if name in _WHOLE else form.text(name)
            for name in _texts(type_)
        },
        ticked=frozenset(name for name in _boxes(type_) if form.has(name)),
        rows={
            "tags": typed_tags(form),
            "attributes": typed_rows(form, ("attribute_name", "attribute_value")),
            "script": typed_rows(form, ("script",)),
            "times": typed_rows(form, TIMES[occasion]),
        },
        occasion=occasion,
    )


def shown_action(document: Document, type_: ActionType) -> ActionForm:
    """Return what the form shows of a document; of an empty one, a new action."""
    action, retry = part_of(document, "action"), part_of(document, "retry")
    attributes = part_of(action, "attributes")
    occasion = occasion_of(document)
    by_name = {
        **{name: document.get(name) for name in OWN_TEXTS},
        **{name: action.get(name) for name in fields_like(type_, "string", "integer")},
        **{f"retry_{name}": retry.get(name) for name in RETRY},
    }
    boxes = {"active": True, **document, **action}
    return ActionForm(
        texts={
            name: _lines(value) if name in _WHOLE else _line(value)
            for name, value in by_name.items()
        },
        ticked=frozenset(name for name in _boxes(type_) if boxes.get(name)),
        rows={
            "tags": _rows(document.get("tags"), ("key", "value")),
            "attributes": [
                {"attribute_name": name, "attribute_value": _line(value)}
                for name, value in attributes.items()
            ],
            "script": [{"script": _line(each)} for each in list_of(action, "script")],
            "times": _rows(document.get("trigger"), TIMES[occasion]),
        },
        occasion=occasion,
    )


def occasion_of(document: Document) -> str:
    """Return what raises the triggers of a document's action."""
    type_ = document.get("type")
    return str(type_) if type_ in (BY_INTERVAL, BY_SCHEDULE) else BY_PROGRAMS


def part_of(document: Document, name: str) -> Document:
    """Return the object in that member; where there is none, an empty one."""
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}


def list_of(document: Document, name: str) -> Sequence[object]:
    """Return the list in that member; where there is none, an empty one."""
    found = document.get(name)
    return found if isinstance(found, list) else []


def _texts(type_: ActionType) -> Sequence[str]:
    retry = [f"retry_{name}" for name in RETRY]
    return [*OWN_TEXTS, *fields_like(type_, "string", "integer"), *retry]


def _boxes(type_: ActionType) -> Sequence[str]:
    return [*OWN_BOXES, *fields_like(type_, "boolean")]


def _rows(entries: object, names: Sequence[str]) -> Rows:
    if not names or not isinstance(entries, list):
        return []
    return [
        {name: _line(each.get(name)) for name in names}
        for each in entries
        if isinstance(each, Mapping)
    ]


def _lines(value: object) -> str:
    """Return a text as it comes back from a form."""
    return "" if value is None else _LINE_ENDS.sub("\n", str(value))


def _line(value: object) -> str:
    """Return a text as it comes back from a field of one line.

    Recipients may stand one a line; a browser would put them into one without a word.
    """
    return _BREAKS.sub("; ", _lines(value).strip())
