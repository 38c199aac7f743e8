"""Audit view: records of all kinds are told in the same words."""

import pytest

from keyrelay.cli.audit_view import in_words
from keyrelay.model.analysis import RunOn
from keyrelay.model.audit import AuditRecord, Change, ChangeRecord
from keyrelay.model.audit_document import document_of
from keyrelay.model.release import RunPlace
from tests.contract.stores.records import attempt, release
from tests.samples import ANALYSIS, MAIL_ACTION, MAIL_SECRET, NOON, PROFILE

NAMES = {MAIL_ACTION: "tell", ANALYSIS: "cold rooms"}
ELSEWHERE = RunPlace(run_on=RunOn.EXTERNAL, address="192.0.2.7:52010")
CHANGED = ChangeRecord(
    id="1" * 24,
    actor="cli:ada",
    profile=PROFILE,
    subject=MAIL_ACTION,
    noun="action",
    change=Change.EDITED,
    detail="tell",
    at=NOON,
)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (attempt("t1"), ("tell", "delivered, done", "trigger", "t1", "250 taken")),
        (CHANGED, ("cli:ada", "edited", "action", MAIL_ACTION, "tell")),
        (
            release("r1"),
            (
                "cold rooms",
                "released",
                "secret",
                MAIL_SECRET,
                "version 3, to run r1, hosted",
            ),
        ),
        (
            release("r1", ELSEWHERE),
            (
                "cold rooms",
                "released",
                "secret",
                MAIL_SECRET,
                "version 3, to run r1, external, at 192.0.2.7:52010",
            ),
        ),
    ],
    ids=["attempt", "change", "hosted release", "external release"],
)
def test_each_record_says_by_what_and_about_what(
    record: AuditRecord, words: tuple[str, ...]
) -> None:
    told = in_words(document_of(record), NAMES)

    assert tuple(told[n] for n in ("by", "what", "about", "subject", "detail")) == words


def test_what_has_no_name_any_more_is_told_by_its_id() -> None:
    assert in_words(document_of(release("r1")), {})["by"] == ANALYSIS
