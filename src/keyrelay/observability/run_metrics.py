"""Run metrics: how the runs of analyses that a process performs have ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from keyrelay.model.audit import RESULTS, AttemptRecord, AuditRecord
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.ports import AuditLog


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunMetrics:
    """prometheus_client's Collector; `place` is `hosted` or `external`.

    A run that failed makes no dead letter: this is where it is counted.
    """

    place: str
    runs: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(RESULTS, 0), init=False
    )

    def counted(self, log: AuditLog) -> AuditLog:
        """Return the audit log, whose attempts at runs are counted from now on."""
        return CountedRuns(behind=log, metrics=self)

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "keyrelay_runs",
            "Attempts at runs of analyses on record.",
            labels=["outcome", "place"],
        )
        for result, count in self.runs.items():
            family.add_metric([result, self.place], count)
        yield family


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRuns:
    """ports.AuditLog that counts the attempts that `behind` appends."""

    behind: AuditLog
    metrics: RunMetrics

    async def append(self, record: AuditRecord) -> None:
        await self.behind.append(record)
        if isinstance(record, AttemptRecord):
            self.metrics.runs[record.report.result] += 1

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        return await self.behind.attempts(profile, trigger, since)
