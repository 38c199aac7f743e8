"""Audit documents: a record as one flat JSON object, for the database and the log.

There is no way back to a record: documents are read by people. The engine reads of
them how an attempt ended (model/recorded_document.py), and no more.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from keyrelay.model.analysis import RunOn
from keyrelay.model.audit import (
    AttemptRecord,
    AuditRecord,
    ChangeRecord,
    ReleaseRecord,
    Report,
)
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain

LONGEST = 1000  # characters of one text
RECORD_KINDS = ("attempt", "change", "release")

Document = Mapping[str, object]

# Made once: json.dumps would make another for each record.
_JSON = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The facts by which a record is indexed and found.

    `action` is that of an attempt; of what is about a run, its analysis.
    """

    id: str
    kind: str
    profile: str
    trigger: str | None
    action: str | None
    at: datetime


def document_of(record: AuditRecord) -> Document:
    """Return the record's fields, without those that are None.

    Texts are bounded and printable, instants are ISO 8601 in UTC with microseconds.
    """
    match record:
        case AttemptRecord():
            document = _attempt(record)
        case ChangeRecord():
            document = _change(record)
        case ReleaseRecord():
            document = _release(record)
        case _:
            assert_never(record)
    return {name: value for name, value in document.items() if value is not None}


def encode(document: Document) -> str:
    """Return the document as one line of JSON in ASCII."""
    return _JSON.encode(document)


def decode(text: str) -> Document | None:
    """Read what `encode` wrote; None if the text is no JSON object."""
    try:
        return parse_document(text)
    except InvalidDefinition:
        return None


def columns_of(document: Document) -> Columns | None:
    """Return a document's columns; None if it is no record's document."""
    instant = read_instant(document.get("at"))
    match document.get("kind"), document.get("id"), document.get("profile"):
        case str(kind), str(id_), str(profile) if instant is not None:
            pass
        case _:
            return None
    return Columns(
        id=id_,
        kind=kind,
        profile=profile,
        trigger=_subject(document, "trigger"),
        action=_acting(document),
        at=instant,
    )


def printable(text: str, longest: int = LONGEST) -> str:
    """Cut the text to `longest` code points, and escape what is not printable.

    A bidirectional override, for one, would reorder the line in which it stands.
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in cut)


def _attempt(record: AttemptRecord) -> dict[str, object]:
    attempt, evidence = record.attempt, record.report.evidence
    return {
        "kind": "attempt",
        "id": record.id,
        "at": _printed(record.at),
        "profile": attempt.profile,
        "trigger": printable(attempt.trigger),
        "action": printable(attempt.action),
        "attempt": attempt.number,
        "repeats": attempt.repeats,
        "started_at": _printed(attempt.started_at),
        "outcome": record.report.result,
        "reason_class": record.report.reason_class,
        **_answer(record.report),
        **_settlement(record.settlement),
        "channel": evidence.channel,
        "secret": evidence.secret,
        "secret_version": evidence.secret_version,
        "policy": evidence.policy,
        "missing": list(evidence.missing) or None,
        "replaced": list(evidence.replaced) or None,
    }


def _change(record: ChangeRecord) -> dict[str, object]:
    return {
        "kind": "change",
        "id": record.id,
        "at": _printed(record.at),
        "profile": record.profile,
        "actor": printable(record.actor),
        "noun": record.noun,
        "subject": printable(record.subject),
        "change": record.change,
        "detail": printable(record.detail),
        "generation": record.generation,
    }


def _release(record: ReleaseRecord) -> dict[str, object]:
    run, place = record.to, record.to.place
    return {
        "kind": "release",
        "id": record.id,
        "at": _printed(record.at),
        "profile": run.profile,
        "run": printable(run.run),
        "analysis": run.analysis,
        "place": "hosted" if place.run_on is RunOn.HOSTED else "external",
        "address": None if place.address is None else printable(place.address),
        "secret": record.released.secret,
        "secret_version": record.released.version,
        "policy": record.released.policy,
    }


def _answer(report: Report) -> dict[str, object]:
    parts = _parts(report.outcome.parts)
    match report.outcome:
        case Delivered(reason) if report.locked:
            return {"reason": printable(reason)}
        case Delivered(receipt):
            return {"receipt": printable(receipt), **parts}
        case Deferred(reason, blame=blame, waits_for=secret):
            waits = {"blame": blame, "waits_for": secret}
            return {"reason": printable(reason), **waits, **parts}
        case Uncertain(reason):
            return {"reason": printable(reason), **parts}
        case Rejected(reason, fault):
            return {"reason": printable(reason), "fault": fault, **parts}
        case _:
            assert_never(report.outcome)


def _parts(parts: Iterable[Part]) -> dict[str, object]:
    listed = [
        {
            "name": printable(part.name, 320),
            "answer": printable(part.answer, 200),
            "settled": part.settled,
        }
        for part in parts
    ]
    return {"parts": listed} if listed else {}


def _settlement(settlement: Settlement) -> dict[str, object]:
    match settlement:
        case Done():
            return {"settlement": "done"}
        case TryAgain():
            return {
                "settlement": "try again",
                "after_seconds": round(settlement.after.total_seconds(), 3),
                "spent": settlement.spent,
            }
        case Bury():
            return {
                "settlement": "bury",
                "buried_because": printable(settlement.reason),
                "buried_fault": settlement.fault,
            }
        case _:
            assert_never(settlement)


def _printed(instant: datetime) -> str:
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = instant.isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def read_instant(value: object) -> datetime | None:
    """Read an instant of a document; None if it is none."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _acting(document: Document) -> str | None:
    of_release = document.get("kind") == "release"
    return _subject(document, "analysis" if of_release else "action")


def _subject(document: Document, noun: str) -> str | None:
    """Return the id of that noun: what was attempted, or what was changed."""
    named = document.get(noun)
    if document.get("noun") == noun:
        named = document.get("subject")
    return named if isinstance(named, str) else None
