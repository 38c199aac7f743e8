"""Recorded documents: how an attempt ended, read back from its audit document."""

from datetime import timedelta

from keyrelay.model.audit import Change
from keyrelay.model.audit_document import Document, read_instant
from keyrelay.model.outcome import Fault
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain


def recorded_attempt(document: Document) -> RecordedAttempt | None:
    """Read how an attempt ended; None if the document is not that of an attempt.

    A cancellation counts as one that ended the trigger: nothing is left to attempt.
    """
    ended_at, is_cancelled = read_instant(document.get("at")), _is_cancelled(document)
    began = "at" if is_cancelled else "started_at"
    started_at = read_instant(document.get(began))
    settlement = Done() if is_cancelled else _settlement_in(document)
    if started_at is None or ended_at is None or settlement is None:
        return None
    return RecordedAttempt(
        started_at=started_at, ended_at=ended_at, settlement=settlement
    )


def _is_cancelled(document: Document) -> bool:
    match document:
        case {"kind": "change", "noun": "trigger", "change": Change.CANCELLED}:
            return True
        case _:
            return False


def _settlement_in(document: Document) -> Settlement | None:
    done, waits_for = _settled_parts(document), document.get("waits_for")
    match document:
        case {"settlement": "done"}:
            return Done()
        case {"settlement": "try again", "after_seconds": float() | int() as seconds}:
            return TryAgain(
                after=timedelta(seconds=seconds),
                spent=document.get("spent") is True,
                waits_for=waits_for if isinstance(waits_for, str) else None,
                done=done,
                reason=str(document.get("reason", "")),
            )
        case {
            "settlement": "bury",
            "buried_because": str(reason),
            "buried_fault": str(fault),
        } if fault in set(Fault):
            return Bury(reason=reason, fault=Fault(fault), done=done)
        case _:
            return None


def _settled_parts(document: Document) -> frozenset[str]:
    parts = document.get("parts")
    listed = parts if isinstance(parts, list) else ()
    return frozenset(
        part["name"]
        for part in listed
        if isinstance(part, dict) and part.get("settled") is True
        if isinstance(part.get("name"), str)
    )
