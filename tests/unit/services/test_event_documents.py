"""Event documents: what a record tells of, and that it tells nothing else."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from keyrelay.model.audit import AttemptRecord, Change, ChangeRecord, Report
from keyrelay.model.audit_document import document_of
from keyrelay.model.cursor import Cursor
from keyrelay.model.outcome import Fault, Rejected
from keyrelay.model.settlement import Bury
from keyrelay.services.events.documents import LONGEST_REASON, EventChannel, events_of
from tests.contract.stores.records import attempt
from tests.samples import MAIL_ACTION, MAIL_SECRET, NOON, PROFILE

AT = "2030-01-01T12:00:00.000Z"


def told(document: Mapping[str, object]) -> list[object]:
    return [json.loads(event.data) for event in events_of(document)]


def buried(reason: str) -> AttemptRecord:
    return replace(
        attempt("t1"),
        report=Report(outcome=Rejected(reason, Fault.DEFINITION)),
        settlement=Bury(reason=reason, fault=Fault.DEFINITION),
    )


def change(noun: str, what: Change) -> Mapping[str, object]:
    return document_of(
        ChangeRecord(
            id="1" * 24,
            actor="cli: ada",
            profile=PROFILE,
            subject="t1" if noun == "trigger" else MAIL_SECRET,
            noun=noun,
            change=what,
            detail="why",
            at=NOON,
        )
    )


def test_an_attempt_is_told_as_lists_have_it_with_its_place() -> None:
    record = attempt("t1")
    (event,) = events_of(document_of(record))

    assert event.place == Cursor(NOON, record.id)
    assert json.loads(event.data) == {
        "channel": "attempts",
        "payload": {
            "id": record.id,
            "at": AT,
            "trigger": "t1",
            "action": MAIL_ACTION,
            "secret": None,
            "outcome": "delivered",
            "reason_class": "delivered",
        },
    }


def test_an_attempt_that_buries_tells_of_the_dead_letter_too() -> None:
    first, letter = events_of(document_of(buried("no such queue")))

    assert first.channel is EventChannel.ATTEMPTS
    assert letter.place is None
    assert json.loads(letter.data)["payload"] == {
        "trigger": "t1",
        "action": MAIL_ACTION,
        "change": "buried",
        "reason": "no such queue",
        "at": AT,
    }


def test_a_long_reason_is_cut_and_stays_on_one_line() -> None:
    _, letter = events_of(document_of(buried("ä\n" * 1000)))

    assert b"\n" not in letter.data
    assert len(json.loads(letter.data)["payload"]["reason"]) == LONGEST_REASON


@pytest.mark.parametrize("what", [Change.BURIED, Change.REDRIVEN, Change.DROPPED])
def test_what_becomes_of_a_dead_letter_is_told(what: Change) -> None:
    assert told(change("trigger", what)) == [
        {
            "channel": "dead-letters",
            "payload": {
                "trigger": "t1",
                "action": None,
                "change": what,
                "reason": "why",
                "at": AT,
            },
        }
    ]


@pytest.mark.parametrize("what", [Change.CREATED, Change.EDITED, Change.DELETED])
def test_of_a_secret_only_what_was_done_is_told(what: Change) -> None:
    payload = {"id": MAIL_SECRET, "change": what, "at": AT}

    assert told(change("secret", what)) == [{"channel": "secrets", "payload": payload}]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**document_of(attempt("t1")), "at": "noon"},
        {**document_of(attempt("t1")), "reason_class": "luck"},
        {**document_of(attempt("t1")), "trigger": 1},
        change("trigger", Change.HELD),
        change("policy", Change.DELETED),
        {**change("secret", Change.EDITED), "subject": None},
    ],
    ids=["nothing", "no time", "no class", "no trigger", "held", "policy", "no secret"],
)
def test_whatever_else_there_is_tells_nothing(document: Mapping[str, object]) -> None:
    assert told(document) == []


def test_half_a_surrogate_that_was_put_in_by_hand_is_replaced() -> None:
    (event,) = events_of({**document_of(attempt("t1")), "secret": "\ud800"})

    assert json.loads(event.data)["payload"]["secret"] == "?"
