"""Metrics: what a worker counts and times, for Prometheus to collect.

No label holds an id or a freely chosen name, so that the number of series does not
grow with the number of definitions, triggers or profiles.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from keyrelay.model.audit import RESULTS, AttemptRecord, AuditRecord, Report
from keyrelay.model.outcome import Delivered, Fault
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.observability.histogram import Histogram, filled
from keyrelay.observability.lanes import Lanes
from keyrelay.ports import AuditLog, Lease, LeaveLane, Unavailable

SETTLEMENTS: Mapping[type[Settlement], str] = {
    Done: "done",
    TryAgain: "try_again",
    Bury: "bury",
}

_ATTEMPT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_DELIVERY = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
_APPEND = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metrics:
    """prometheus_client's Collector over plain numbers.

    Every possible series exists from the start, so that a rate is known from the first
    event on.
    """

    attempts: dict[tuple[str, str | None], int]  # by result and channel
    attempt_seconds: Mapping[str | None, Histogram]
    settlements: dict[type[Settlement], int] = field(
        default_factory=lambda: dict.fromkeys(SETTLEMENTS, 0), init=False
    )
    dead_letters: dict[Fault, int] = field(
        default_factory=lambda: dict.fromkeys(Fault, 0), init=False
    )
    delivery_seconds: Histogram = field(
        default_factory=lambda: Histogram(_DELIVERY), init=False
    )
    append_seconds: Histogram = field(
        default_factory=lambda: Histogram(_APPEND), init=False
    )

    def count(self, record: AttemptRecord) -> None:
        """Count a recorded attempt, its settlement and its dead letter."""
        report, settlement = record.report, record.settlement
        self.attempts[report.result, report.evidence.channel] += 1
        self.settlements[type(settlement)] += 1
        if isinstance(settlement, Bury):
            self.dead_letters[settlement.fault] += 1

    def attempted(self, result: str) -> int:
        """Return how many attempts on record had this result, on any channel."""
        return sum(n for (each, _), n in self.attempts.items() if each == result)

    def collect(self) -> Iterator[Metric]:
        yield self._attempts()
        yield self._settlements()
        yield self._dead_letters()
        yield self._attempt_seconds()
        delivery = HistogramMetricFamily(
            "keyrelay_delivery_seconds",
            "From a trigger's raised_at to its delivery, with all its retries.",
        )
        yield filled(delivery, [], self.delivery_seconds)
        append = HistogramMetricFamily(
            "keyrelay_audit_append_seconds",
            "How long a lane waits until its audit record is durable.",
        )
        yield filled(append, [], self.append_seconds)

    def _attempts(self) -> Metric:
        family = CounterMetricFamily(
            "keyrelay_attempts", "Attempts on record.", labels=["outcome", "channel"]
        )
        for (result, channel), count in self.attempts.items():
            family.add_metric([result, _word(channel)], count)
        return family

    def _settlements(self) -> Metric:
        family = CounterMetricFamily(
            "keyrelay_settlements",
            "Attempts on record, by what became of their trigger.",
            labels=["kind"],
        )
        for kind, count in self.settlements.items():
            family.add_metric([SETTLEMENTS[kind]], count)
        return family

    def _dead_letters(self) -> Metric:
        family = CounterMetricFamily(
            "keyrelay_dead_letters",
            "Triggers buried, by fault: definition, trigger or system.",
            labels=["fault"],
        )
        for fault, count in self.dead_letters.items():
            family.add_metric([fault], count)
        return family

    def _attempt_seconds(self) -> Metric:
        family = HistogramMetricFamily(
            "keyrelay_attempt_seconds",
            "How long an attempt took, from the decision to the peer's answer.",
            labels=["channel"],
        )
        for channel, histogram in self.attempt_seconds.items():
            filled(family, [_word(channel)], histogram)
        return family


def new_metrics(channels: Iterable[str]) -> Metrics:
    """Count from zero for each channel there is."""
    # None: the attempt ended before it was known how its action acts.
    labels = (*channels, None)
    return Metrics(
        attempts={(result, label): 0 for result in RESULTS for label in labels},
        attempt_seconds={label: Histogram(_ATTEMPT) for label in labels},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredAuditLog:
    """ports.AuditLog that counts what `behind` appends, and times it."""

    behind: AuditLog
    metrics: Metrics
    clock: Callable[[], float] = time.perf_counter

    async def append(self, record: AuditRecord) -> None:
        began = self.clock()
        await self.behind.append(record)
        self.metrics.append_seconds.observe(self.clock() - began)
        if isinstance(record, AttemptRecord):
            self.metrics.count(record)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        return await self.behind.attempts(profile, trigger, since)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredAttempt:
    """Pipeline.attempt, timed; a trigger that was held back is not counted.

    `lanes` hear of such a trigger, of one that meets what is unavailable, and of an
    attempt that leaves its lane.
    """

    behind: Callable[[Lease, LeaveLane], Awaitable[Report]]
    metrics: Metrics
    lanes: Lanes
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.perf_counter

    async def attempt(self, lease: Lease, leave: LeaveLane) -> Report:
        began, left = self.clock(), self.lanes.leaving()

        def leave_lane() -> None:
            left()
            leave()

        try:
            report = await self.behind(lease, leave_lane)
        except Unavailable:
            self.lanes.put_back()
            raise
        if report.held:
            self.lanes.put_back()
            return report
        channel = report.evidence.channel
        self.metrics.attempt_seconds[channel].observe(self.clock() - began)
        if channel is not None and isinstance(report.outcome, Delivered):
            waited = self.now() - lease.trigger.lifetime.raised_at.timestamp()
            # A producer's clock may be ahead of this one, and a sum must not shrink.
            self.metrics.delivery_seconds.observe(max(waited, 0))
        return report


def _word(channel: str | None) -> str:
    return "none" if channel is None else channel
