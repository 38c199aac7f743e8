"""Observability: a worker's metrics and readiness, put together for its probes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector

from keyrelay.model.audit import Report
from keyrelay.model.pause import PauseKind
from keyrelay.observability.gauges import Gauges
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.metrics import (
    MeteredAttempt,
    MeteredAuditLog,
    Metrics,
    new_metrics,
)
from keyrelay.observability.readiness import Readiness
from keyrelay.ports import AuditLog, Lease, LeaveLane


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    """`registry` holds all that Prometheus may collect.

    prometheus_client's process-wide registry is not used.
    """

    lanes: Lanes
    readiness: Readiness
    metrics: Metrics
    registry: CollectorRegistry

    def counted(self, log: AuditLog) -> AuditLog:
        """Return the audit log, whose records are counted and timed from now on."""
        return MeteredAuditLog(behind=log, metrics=self.metrics)

    def timed(
        self,
        attempt: Callable[[Lease, LeaveLane], Awaitable[Report]],
    ) -> Callable[[Lease, LeaveLane], Awaitable[Report]]:
        """Return the attempt, which is timed from now on."""
        return MeteredAttempt(
            behind=attempt, metrics=self.metrics, lanes=self.lanes
        ).attempt


def new_observability(
    lanes: Lanes,
    readiness: Readiness,
    paused: Callable[[], Mapping[PauseKind, int]],
    lingering: Callable[[], int],
    channels: Iterable[str],
) -> Observability:
    """Observe a worker that acts through these channels.

    `paused` returns how many secrets are paused, kind by kind, `lingering` how
    many attempts wait for their peer without a lane.
    """
    metrics = new_metrics(channels)
    # `auto_describe` refuses two metrics of one name, and lets a scrape ask by name.
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    registry.register(
        Gauges(lanes=lanes, readiness=readiness, paused=paused, lingering=lingering)
    )
    ProcessCollector(registry=registry)
    return Observability(
        lanes=lanes,
        readiness=readiness,
        metrics=metrics,
        registry=registry,
    )
