"""Run metrics: each attempt at a run that is on record counts once, by its outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from prometheus_client import CollectorRegistry

from keyrelay.model.audit import AuditRecord
from keyrelay.model.outcome import Delivered, Fault, Rejected
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.settlement import Bury, Done
from keyrelay.observability.run_metrics import RunMetrics
from keyrelay.ports import Unavailable
from tests.unit.observability.test_metrics import CHANGED, ended

WELL = ended(Delivered("The script ended well."), Done())
BADLY = ended(
    Rejected("exit code 3", Fault.DEFINITION),
    Bury(reason="exit code 3", fault=Fault.DEFINITION),
)


@dataclass
class Log:
    """An audit log that may be away."""

    is_down: bool = False
    records: list[AuditRecord] = field(default_factory=list)

    async def append(self, record: AuditRecord) -> None:
        if self.is_down:
            raise Unavailable("the disk is full")
        self.records.append(record)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        raise Unavailable(f"{profile} {trigger} {since}")


def value(metrics: RunMetrics, outcome: str) -> float | None:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    labels = {"outcome": outcome, "place": "hosted"}
    return registry.get_sample_value("keyrelay_runs_total", labels)


async def test_attempts_at_runs_are_counted_by_outcome_and_nothing_else_is() -> None:
    metrics, log = RunMetrics(place="hosted"), Log()
    counted = metrics.counted(log)

    for record in (WELL, BADLY, WELL, CHANGED):
        await counted.append(record)

    assert log.records == [WELL, BADLY, WELL, CHANGED]
    assert value(metrics, "delivered") == 2
    assert value(metrics, "rejected") == 1
    assert value(metrics, "uncertain") == 0


async def test_what_is_not_on_record_is_not_counted() -> None:
    metrics = RunMetrics(place="hosted")

    with pytest.raises(Unavailable):
        await metrics.counted(Log(is_down=True)).append(WELL)

    assert value(metrics, "delivered") == 0


async def test_the_log_behind_is_asked_for_earlier_attempts() -> None:
    with pytest.raises(Unavailable, match="p t"):
        await RunMetrics(place="hosted").counted(Log()).attempts("p", "t", CHANGED.at)
