"""Action writing: from the form of an action to the document that the API takes.

What the form does not show stays as it is stored. So does what was shown and comes
back unchanged: another client may have written it in another way.
"""

from collections.abc import Mapping, Sequence

from keyrelay.console.action_form import (
    BY_PROGRAMS,
    OWN_BOXES,
    OWN_TEXTS,
    RETRY,
    ActionForm,
    Rows,
    fields_like,
    list_of,
    part_of,
    shown_action,
)
from keyrelay.console.own_api import Document
from keyrelay.model.action import ActionType

# fmt: off
_TAKEN = (
    "name", "active", "tags", "description", "lock", "type", "trigger", "action",
    "trigger_when_unlock", "retry",
)
# fmt: on
NEW: Document = {}


def written_action(
    form: ActionForm, type_: ActionType, stored: Document = NEW
) -> Document:
    """Return the document that the form makes of a stored one, or of a new action."""
    shown = shown_action(stored, type_)
    own = {name: form.texts[name] for name in OWN_TEXTS}
    was = {name: shown.texts[name] for name in OWN_TEXTS}
    changed = {name: text for name, text in own.items() if text != was[name]}
    ticks = {name: name in form.ticked for name in OWN_BOXES}
    return {
        **{name: stored[name] for name in _TAKEN if name in stored},
        **changed,
        **{name: on for name, on in ticks.items() if on != (name in shown.ticked)},
        **_tags(form, shown, stored),
        **_occasion(form, shown, stored),
        **_retry(form, shown, stored),
        "action": _does(form, shown, type_, part_of(stored, "action")),
    }


def changes_between(document: Document, stored: Document) -> Document:
    """Return the members that an edit has to send."""
    return {
        name: value
        for name, value in document.items()
        if name not in stored or stored[name] != value
    }


def _tags(form: ActionForm, shown: ActionForm, stored: Document) -> Document:
    tags, before = form.rows["tags"], shown.rows["tags"]
    if tags == before:
        return {}
    return {"tags": _entries(tags, before, list_of(stored, "tags"))}


def _occasion(form: ActionForm, shown: ActionForm, stored: Document) -> Document:
    """Return what raises triggers, where that is another than before."""
    times, before = form.rows["times"], shown.rows["times"]
    if form.occasion != shown.occasion:
        before = []
    elif times == before:
        return {}
    if form.occasion == BY_PROGRAMS:
        return {"type": "condition", "trigger": []}
    entries = list_of(stored, "trigger") if before else []
    return {"type": form.occasion, "trigger": _entries(times, before, entries)}


def _entries(rows: Rows, before: Rows, entries: Sequence[object]) -> list[object]:
    """Return an entry for each row; one that was there keeps what no row shows."""
    return [
        entries[before.index(row)]
        if row in before
        else _entry(row, entries[place] if place < len(entries) else None)
        for place, row in enumerate(rows)
    ]


def _entry(row: Mapping[str, str], entry: object) -> Document:
    kept = entry if isinstance(entry, Mapping) else {}
    hidden = {name: each for name, each in kept.items() if name not in row}
    return {**hidden, **{name: text for name, text in row.items() if text}}


def _retry(form: ActionForm, shown: ActionForm, stored: Document) -> Document:
    names = [f"retry_{name}" for name in RETRY]
    if all(form.texts[name] == shown.texts[name] for name in names):
        return {}
    typed = {
        name: _number(form.texts[f"retry_{name}"])
        for name in RETRY
        if form.texts[f"retry_{name}"]
    }
    return {"retry": typed or None} if typed or "retry" in stored else {}


def _does(
    form: ActionForm, shown: ActionForm, type_: ActionType, stored: Document
) -> Document:
    """Return the member `action`."""
    does: dict[str, object] = {**stored, "type": type_.name}
    whole = fields_like(type_, "integer")
    for name in fields_like(type_, "string", "integer"):
        text = form.texts[name]
        if text == shown.texts[name]:
            continue
        does.pop(name, None)
        if text:
            does[name] = _number(text) if name in whole else text
    for name in fields_like(type_, "boolean"):
        if (name in form.ticked) != (name in shown.ticked):
            does[name] = name in form.ticked
    for name in _ROWS.keys() & fields_like(type_, "object", "array"):
        if form.rows[name] != shown.rows[name]:
            does[name] = _ROWS[name](form.rows[name])
    return does


def _attributes(rows: Rows) -> object:
    return {row["attribute_name"]: row["attribute_value"] for row in rows}


def _script(rows: Rows) -> object:
    return [row["script"] for row in rows]


_ROWS = {"attributes": _attributes, "script": _script}


def _number(text: str) -> object:
    """Return a whole number; what is none, as it was typed, for the API to refuse."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
