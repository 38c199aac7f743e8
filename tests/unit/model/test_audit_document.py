"""Audit documents: all facts in one flat line, and nothing that fools a reader."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.analysis import RunOn
from keyrelay.model.audit import (
    LOCKED,
    AttemptIdentity,
    AttemptRecord,
    Change,
    ChangeRecord,
    Evidence,
    Released,
    ReleaseRecord,
    Report,
    RunIdentity,
)
from keyrelay.model.audit_document import (
    LONGEST,
    RECORD_KINDS,
    Columns,
    Document,
    columns_of,
    decode,
    document_of,
    encode,
    printable,
)
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.recorded_document import recorded_attempt
from keyrelay.model.release import HOSTED, RunPlace
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.templates import Fact
from keyrelay.stores.audit.rows import text_of
from tests.samples import ANALYSIS, MAIL_ACTION, MAIL_SECRET, NOON, POLICY, PROFILE

ID = "f" * 24


def an_attempt(
    outcome: Outcome = Delivered("250 taken"),  # noqa: B008 - a frozen value
    settlement: Settlement = Done(),  # noqa: B008 - a frozen value
    evidence: Evidence = Evidence(),  # noqa: B008 - a frozen value
) -> AttemptRecord:
    return AttemptRecord(
        id=ID,
        attempt=AttemptIdentity(
            profile=PROFILE,
            trigger="t1",
            action=MAIL_ACTION,
            number=2,
            repeats=True,
            started_at=NOON,
        ),
        report=Report(outcome=outcome, evidence=evidence),
        settlement=settlement,
        at=NOON + timedelta(microseconds=1500),
    )


def a_change(noun: str, detail: str = "smtp-main") -> ChangeRecord:
    return ChangeRecord(
        id=ID,
        actor="ada",
        profile=PROFILE,
        subject=MAIL_ACTION,
        noun=noun,
        change=Change.EDITED,
        detail=detail,
        at=NOON,
    )


def a_release(place: RunPlace = HOSTED) -> ReleaseRecord:
    return ReleaseRecord(
        id=ID,
        to=RunIdentity(profile=PROFILE, run="r1", analysis=ANALYSIS, place=place),
        released=Released(secret=MAIL_SECRET, version=3, policy=POLICY),
        at=NOON,
    )


def test_an_attempt_names_its_action_its_secret_and_its_policy() -> None:
    record = an_attempt(
        evidence=Evidence(
            channel="email-smtp",
            secret=MAIL_SECRET,
            secret_version=3,
            policy=POLICY,
            missing=(Fact.UNIT,),
            replaced=("subject",),
        )
    )

    assert document_of(record) == {
        "kind": "attempt",
        "id": ID,
        "at": "2030-01-01T12:00:00.001500Z",
        "profile": PROFILE,
        "trigger": "t1",
        "action": MAIL_ACTION,
        "attempt": 2,
        "repeats": True,
        "started_at": "2030-01-01T12:00:00.000000Z",
        "outcome": "delivered",
        "reason_class": "delivered",
        "receipt": "250 taken",
        "settlement": "done",
        "channel": "email-smtp",
        "secret": MAIL_SECRET,
        "secret_version": 3,
        "policy": POLICY,
        "missing": ["UNIT"],
        "replaced": ["subject"],
    }


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (HOSTED, {"place": "hosted"}),
        (
            RunPlace(run_on=RunOn.EXTERNAL, address="192.0.2.7:52010"),
            {"place": "external", "address": "192.0.2.7:52010"},
        ),
    ],
    ids=["hosted", "external"],
)
def test_a_release_says_what_was_released_by_which_policy_and_where(
    place: RunPlace, said: dict[str, object]
) -> None:
    record = a_release(place)

    assert document_of(record) == {
        "kind": "release",
        "id": ID,
        "at": "2030-01-01T12:00:00.000000Z",
        "profile": PROFILE,
        "run": "r1",
        "analysis": ANALYSIS,
        "secret": MAIL_SECRET,
        "secret_version": 3,
        "policy": POLICY,
        **said,
    }


def test_a_release_is_found_by_its_analysis_and_is_no_attempt() -> None:
    document = document_of(a_release())
    columns = columns_of(document)

    assert columns is not None
    assert (columns.kind, columns.trigger, columns.action) == (
        "release",
        None,
        ANALYSIS,
    )
    assert recorded_attempt(document) is None


def test_all_kinds_of_records_are_known_by_their_names() -> None:
    records = (an_attempt(), a_change("secret"), a_release())

    assert tuple(document_of(each)["kind"] for each in records) == RECORD_KINDS


def test_a_locked_action_is_recorded_as_such_and_not_as_a_delivery() -> None:
    document = document_of(replace(an_attempt(), report=LOCKED))

    assert document["outcome"] == "locked"
    assert document["reason"] == "the action is locked and does not act"
    assert "receipt" not in document


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Delivered("250"), {"outcome": "delivered", "receipt": "250"}),
        (
            Deferred("busy", blame=Blame.PEER, waits_for=MAIL_SECRET),
            {
                "outcome": "deferred",
                "reason": "busy",
                "blame": "peer",
                "waits_for": MAIL_SECRET,
            },
        ),
        (Uncertain("silence"), {"outcome": "uncertain", "reason": "silence"}),
        (
            Rejected("no such box", Fault.DEFINITION),
            {"outcome": "rejected", "reason": "no such box", "fault": "definition"},
        ),
    ],
    ids=["delivered", "deferred", "uncertain", "rejected"],
)
def test_each_outcome_is_in_the_document_with_its_parts(
    outcome: Outcome, said: dict[str, object]
) -> None:
    class_ = type(outcome)
    assert class_ in (Delivered, Deferred, Uncertain, Rejected)

    document = document_of(an_attempt(outcome))

    assert said.items() <= document.items()
    assert "parts" not in document


@pytest.mark.parametrize(
    "outcome",
    [
        Delivered("250", (Part("ada@example.com", "250 ok", settled=True),)),
        Uncertain("silence", (Part("ada@example.com", "250 ok", settled=True),)),
    ],
)
def test_each_part_is_in_the_document(outcome: Outcome) -> None:
    document = document_of(an_attempt(outcome))

    assert document["parts"] == [
        {"name": "ada@example.com", "answer": "250 ok", "settled": True}
    ]


@pytest.mark.parametrize(
    ("settlement", "said"),
    [
        (Done(), {"settlement": "done"}),
        (
            TryAgain(after=timedelta(seconds=1.5), spent=False),
            {"settlement": "try again", "after_seconds": 1.5, "spent": False},
        ),
        (
            Bury(reason="given up", fault=Fault.SYSTEM),
            {
                "settlement": "bury",
                "buried_because": "given up",
                "buried_fault": "system",
            },
        ),
    ],
    ids=["done", "try again", "bury"],
)
def test_each_settlement_is_in_the_document(
    settlement: Settlement, said: dict[str, object]
) -> None:
    assert said.items() <= document_of(an_attempt(settlement=settlement)).items()


def test_a_change_names_its_actor_and_its_subject() -> None:
    assert document_of(a_change("action")) == {
        "kind": "change",
        "id": ID,
        "at": "2030-01-01T12:00:00.000000Z",
        "profile": PROFILE,
        "actor": "ada",
        "noun": "action",
        "subject": MAIL_ACTION,
        "change": "edited",
        "detail": "smtp-main",
    }


def test_an_instant_of_another_zone_is_printed_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    record = ChangeRecord(
        id=ID,
        actor="ada",
        profile=PROFILE,
        subject=ID,
        noun="secret",
        change=Change.CREATED,
        detail="",
        at=datetime(2030, 1, 1, 21, tzinfo=tokyo),
    )

    assert document_of(record)["at"] == "2030-01-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode ✓", "plain ünïcode ✓"),
        ("evil\u202etxt", "evil\\u{202e}txt"),
        ("two\r\nlines", "two\\u{d}\\u{a}lines"),
        ("\x1b[31mred", "\\u{1b}[31mred"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("lone\ud800", "lone\\u{d800}"),
        ("x" * (LONGEST + 1), "x" * (LONGEST - 1) + "…"),
    ],
    ids=["plain", "bidi", "lines", "escape", "zero width", "surrogate", "long"],
)
def test_characters_that_would_mislead_a_reader_are_escaped(
    text: str, shown: str
) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("write", [encode, text_of])
@given(detail=st.text(st.characters(exclude_categories=()), max_size=50))
def test_any_record_is_one_line_of_ascii(
    write: Callable[[Document], str], detail: str
) -> None:
    document = document_of(a_change("secret", detail))

    line = write(document)

    assert line.isascii()
    assert line.isprintable()
    assert decode(line) == document


@pytest.mark.parametrize(
    ("noun", "trigger", "action"),
    [
        ("action", None, MAIL_ACTION),
        ("trigger", MAIL_ACTION, None),
        ("key", None, None),
    ],
)
def test_a_change_is_found_by_what_was_changed(
    noun: str, trigger: str | None, action: str | None
) -> None:
    assert columns_of(document_of(a_change(noun))) == Columns(
        id=ID, kind="change", profile=PROFILE, trigger=trigger, action=action, at=NOON
    )


def test_an_attempt_is_found_by_its_trigger_and_its_action() -> None:
    assert columns_of(document_of(an_attempt())) == Columns(
        id=ID,
        kind="attempt",
        profile=PROFILE,
        trigger="t1",
        action=MAIL_ACTION,
        at=datetime(2030, 1, 1, 12, 0, 0, 1500, UTC),
    )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "change", "id": ID, "profile": PROFILE},
        {"kind": "change", "id": ID, "profile": PROFILE, "at": 5},
        {"kind": "change", "id": ID, "profile": PROFILE, "at": "soon"},
    ],
)
def test_what_is_no_record_is_found_by_nothing(document: dict[str, object]) -> None:
    assert columns_of(document) is None


def test_what_is_no_document_is_not_read() -> None:
    assert decode('{"id": 1, "id": 2}') is None


PARTS = (
    Part("ada@example.com", "250 ok", settled=True),
    Part("b@x.org", "no", settled=False),
)


@pytest.mark.parametrize(
    ("outcome", "settlement"),
    [
        (Delivered("250 taken"), Done()),
        (
            Deferred("busy", waits_for=MAIL_SECRET, parts=PARTS),
            TryAgain(
                after=timedelta(seconds=1.5),
                spent=False,
                waits_for=MAIL_SECRET,
                done=frozenset({"ada@example.com"}),
                reason="busy",
            ),
        ),
        (
            Rejected("no", Fault.TRIGGER, parts=PARTS),
            Bury(reason="no", fault=Fault.TRIGGER, done=frozenset({"ada@example.com"})),
        ),
    ],
    ids=["done", "try again", "buried"],
)
def test_how_an_attempt_ended_is_read_back_from_its_document(
    outcome: Outcome, settlement: Settlement
) -> None:
    record = an_attempt(outcome, settlement)

    document = decode(encode(document_of(record)))

    assert document is not None
    assert recorded_attempt(document) == RecordedAttempt(
        started_at=NOON, ended_at=record.at, settlement=settlement
    )


@pytest.mark.parametrize(
    "said",
    [
        {"settlement": "bury", "buried_because": "no", "buried_fault": "nobody's"},
        {"settlement": "try again", "after_seconds": "soon"},
        {"settlement": "lost"},
        {"settlement": None},
        {"started_at": "yesterday"},
        {"at": 12},
    ],
)
def test_a_document_that_does_not_say_how_an_attempt_ended_says_nothing(
    said: dict[str, object],
) -> None:
    assert recorded_attempt({**document_of(an_attempt()), **said}) is None


@pytest.mark.parametrize("parts", [None, "all", [1], [{"name": 1, "settled": True}]])
def test_parts_that_cannot_be_read_are_not_settled(parts: object) -> None:
    found = recorded_attempt(
        {**document_of(an_attempt(REFUSED, BURIED)), "parts": parts}
    )

    assert found is not None
    assert isinstance(found.settlement, Bury)
    assert found.settlement.done == frozenset()


REFUSED = Rejected("no", Fault.TRIGGER)
BURIED = Bury(reason="no", fault=Fault.TRIGGER)
