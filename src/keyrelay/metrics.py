"""Metrics: what a worker counts and times, for Prometheus to collect.

No label holds an id or a name that somebody may choose, so that the number of series
does not grow with the number of definitions, triggers or profiles.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

from keyrelay.action import Channel
from keyrelay.audit import AttemptRecord, AuditRecord, Report
from keyrelay.outcome import Deferred, Delivered, Fault, Outcome, Rejected, Uncertain
from keyrelay.ports import AuditLog, Lease
from keyrelay.settlement import Bury, Done, Settlement, TryAgain

OUTCOMES: Mapping[type[Outcome], str] = {
    Delivered: "delivered",
    Deferred: "deferred",
    Uncertain: "uncertain",
    Rejected: "rejected",
}
SETTLEMENTS: Mapping[type[Settlement], str] = {
    Done: "done",
    TryAgain: "try_again",
    Bury: "bury",
}
# None: the attempt ended before it was known how its action acts.
CHANNELS = (*Channel, None)
NO_CHANNEL = "none"

_ATTEMPT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_DELIVERY = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
_APPEND = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Each series there can be, made beforehand: looking one up costs thrice as much
    as counting."""

    attempts: Mapping[tuple[type[Outcome], Channel | None], Counter]
    settlements: Mapping[type[Settlement], Counter]
    dead_letters: Mapping[Fault, Counter]
    attempt_seconds: Mapping[Channel | None, Histogram]
    delivery_seconds: Histogram
    append_seconds: Histogram

    def count(self, record: AttemptRecord) -> None:
        report, settlement = record.report, record.settlement
        self.attempts[type(report.outcome), report.evidence.channel].inc()
        self.settlements[type(settlement)].inc()
        if isinstance(settlement, Bury):
            self.dead_letters[settlement.fault].inc()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredAuditLog:
    """An audit log that counts what the one behind it keeps, and how long it takes."""

    behind: AuditLog
    metrics: Metrics
    clock: Callable[[], float] = time.perf_counter

    async def append(self, record: AuditRecord) -> None:
        began = self.clock()
        await self.behind.append(record)
        self.metrics.append_seconds.observe(self.clock() - began)
        if isinstance(record, AttemptRecord):
            self.metrics.count(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredAttempt:
    """An attempt that is timed; what was held back was none."""

    behind: Callable[[Lease], Awaitable[Report]]
    metrics: Metrics
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.perf_counter

    async def attempt(self, lease: Lease) -> Report:
        began = self.clock()
        report = await self.behind(lease)
        if report.held:
            return report
        channel = report.evidence.channel
        self.metrics.attempt_seconds[channel].observe(self.clock() - began)
        if channel is not None and isinstance(report.outcome, Delivered):
            waited = self.now() - lease.trigger.lifetime.raised_at
            # A producer's clock may be ahead of ours, and a sum must not shrink.
            self.metrics.delivery_seconds.observe(max(waited.total_seconds(), 0))
        return report


def metrics_in(registry: CollectorRegistry) -> Metrics:
    return Metrics(
        attempts=_attempts(registry),
        settlements=_settlements(registry),
        dead_letters=_dead_letters(registry),
        attempt_seconds=_attempt_seconds(registry),
        delivery_seconds=Histogram(
            "keyrelay_delivery_seconds",
            "From a trigger's raising to its delivery, with all its retries.",
            buckets=_DELIVERY,
            registry=registry,
        ),
        append_seconds=Histogram(
            "keyrelay_audit_append_seconds",
            "How long a lane waits until its record would survive a power cut.",
            buckets=_APPEND,
            registry=registry,
        ),
    )


def _attempts(
    registry: CollectorRegistry,
) -> Mapping[tuple[type[Outcome], Channel | None], Counter]:
    family = Counter(
        "keyrelay_attempts",
        "Attempts on record.",
        ["outcome", "channel"],
        registry=registry,
    )
    return {
        (outcome, channel): family.labels(word, channel or NO_CHANNEL)
        for outcome, word in OUTCOMES.items()
        for channel in CHANNELS
    }


def _settlements(registry: CollectorRegistry) -> Mapping[type[Settlement], Counter]:
    family = Counter(
        "keyrelay_settlements",
        "Attempts on record, by what became of their trigger.",
        ["kind"],
        registry=registry,
    )
    return {kind: family.labels(word) for kind, word in SETTLEMENTS.items()}


def _dead_letters(registry: CollectorRegistry) -> Mapping[Fault, Counter]:
    family = Counter(
        "keyrelay_dead_letters",
        "Triggers buried, by who must change something.",
        ["fault"],
        registry=registry,
    )
    return {fault: family.labels(fault) for fault in Fault}


def _attempt_seconds(
    registry: CollectorRegistry,
) -> Mapping[Channel | None, Histogram]:
    family = Histogram(
        "keyrelay_attempt_seconds",
        "How long an attempt took, from its policy's decision to the peer's answer.",
        ["channel"],
        buckets=_ATTEMPT,
        registry=registry,
    )
    return {channel: family.labels(channel or NO_CHANNEL) for channel in CHANNELS}
