"""Tally: what whoever watches a worker is told."""

from keyrelay.audit import AttemptRecord, AuditRecord, Change, ChangeRecord, Report, Try
from keyrelay.outcome import Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.tally import Tally
from tests.samples import DAY, MAIL_ACTION, NOON, PROFILE


def ended(outcome: Outcome, settlement: Settlement) -> AttemptRecord:
    return AttemptRecord(
        id="0" * 24,
        tried=Try(
            profile=PROFILE,
            trigger="t1",
            action=MAIL_ACTION,
            number=1,
            repeats=False,
            started_at=NOON,
        ),
        report=Report(outcome=outcome),
        settlement=settlement,
        at=NOON,
    )


CHANGED = ChangeRecord(
    id="1" * 24,
    actor="cli:ada",
    profile=PROFILE,
    subject=MAIL_ACTION,
    noun="action",
    change=Change.EDITED,
    detail="",
    at=NOON,
)


class Log:
    """An audit log that is only a list."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord) -> None:
        self.records.append(record)


async def test_attempts_are_counted_by_what_became_of_them_and_changes_are_not() -> (
    None
):
    behind = Log()
    tally = Tally(behind=behind)
    records = (
        ended(Delivered("250 ok"), Done()),
        ended(Delivered("250 ok"), Done()),
        ended(Deferred("busy"), TryAgain(after=DAY)),
        ended(Rejected("no", Fault.TRIGGER), Bury(reason="no", fault=Fault.TRIGGER)),
        CHANGED,
    )

    for record in records:
        await tally.append(record)

    assert tally.counts == {"delivered": 2, "to be tried again": 1, "buried": 1}
    assert behind.records == list(records)
