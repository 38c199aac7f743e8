from keyrelay.model.audit import Evidence, Report
from keyrelay.model.outcome import Delivered
from keyrelay.model.settlement import STANDARD


def test_a_report_of_an_outcome_alone_has_no_evidence() -> None:
    report = Report(outcome=Delivered("ok"))

    assert report.evidence == Evidence()
    assert report.evidence.secret is None
    assert report.schedule == STANDARD
    assert not report.held
