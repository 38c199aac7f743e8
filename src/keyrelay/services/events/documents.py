"""Event documents: which events an audit record tells of, and what is said of each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keyrelay.model.audit import Change
from keyrelay.model.audit_document import Columns, Document, columns_of, printable
from keyrelay.model.cursor import Cursor
from keyrelay.model.instant import wire_instant
from keyrelay.model.outcome import ReasonClass
from keyrelay.stores.attempts import AttemptEnding, ListedAttempt

LONGEST_REASON = 200  # code points

_REASON_CLASSES = {each.value: each for each in ReasonClass}
_LETTER_CHANGES = (Change.BURIED, Change.REDRIVEN, Change.DROPPED)


class EventChannel(StrEnum):
    """What one can listen to, beside the consoles of analyses (consoles.py)."""

    ATTEMPTS = "attempts"
    DEAD_LETTERS = "dead-letters"
    SECRETS = "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`data` is one line of JSON; `place` is where its channel's list goes on.

    The data of a run that is handed over has values of secrets in it.
    """

    channel: str
    data: bytes = field(repr=False)
    place: Cursor | None = None


def events_of(document: Document) -> Iterator[Event]:
    """Return what a record tells of: nothing, for most changes."""
    columns = columns_of(document)
    if columns is None:
        return
    attempt = _attempt(document, columns)
    if attempt is not None:
        yield attempt_event(attempt)
    match document:
        case {"kind": "attempt", "settlement": "bury"}:
            yield _letter(Change.BURIED, columns, document.get("buried_because"))
        case {"noun": "trigger", "change": str(change)} if change in _LETTER_CHANGES:
            yield _letter(Change(change), columns, document.get("detail"))
        case {"noun": "secret", "change": str(change), "subject": str(id_)}:
            at = wire_instant(columns.at)
            payload = {"id": id_, "change": change, "at": at}
            yield event_of(EventChannel.SECRETS, payload)
        case _:
            pass


def attempt_event(attempt: ListedAttempt) -> Event:
    place = Cursor(attempt.at, attempt.id)
    return event_of(EventChannel.ATTEMPTS, attempt_document(attempt), place)


def attempt_document(attempt: ListedAttempt) -> Mapping[str, object]:
    """Return what is said of an attempt, in lists as in events."""
    return {
        "id": attempt.id,
        "at": wire_instant(attempt.at),
        "trigger": attempt.trigger,
        "action": attempt.action,
        "secret": attempt.secret,
        "outcome": attempt.ending.outcome,
        "reason_class": attempt.ending.reason_class,
    }


def _attempt(document: Document, columns: Columns) -> ListedAttempt | None:
    match document:
        case {"kind": "attempt", "outcome": str(outcome), "reason_class": str(why)} if (
            why in _REASON_CLASSES
            and columns.trigger is not None
            and columns.action is not None
        ):
            secret = document.get("secret")
            return ListedAttempt(
                id=columns.id,
                at=columns.at,
                trigger=columns.trigger,
                action=columns.action,
                secret=secret if isinstance(secret, str) else None,
                ending=AttemptEnding(
                    outcome=outcome, reason_class=_REASON_CLASSES[why]
                ),
            )
        case _:
            return None


def _letter(change: Change, columns: Columns, reason: object) -> Event:
    payload = {
        "trigger": columns.trigger,
        "action": columns.action,
        "change": change,
        "reason": printable(str(reason), LONGEST_REASON),
        "at": wire_instant(columns.at),
    }
    return event_of(EventChannel.DEAD_LETTERS, payload)


def event_of(
    channel: str, payload: Mapping[str, object], place: Cursor | None = None
) -> Event:
    document = {"channel": channel, "payload": payload}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # What was edited by hand may hold half a surrogate.
    return Event(channel=channel, data=text.encode(errors="replace"), place=place)
