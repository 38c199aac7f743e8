"""Watch: what is seen of a worker by whoever watches it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, ProcessCollector

from keyrelay.audit import Report
from keyrelay.gauges import Gauges
from keyrelay.lanes import Lanes
from keyrelay.metrics import MeteredAttempt, MeteredAuditLog, Metrics, metrics_in
from keyrelay.outlook import Outlook
from keyrelay.ports import Lease
from keyrelay.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`registry` holds all that Prometheus may collect; there is no other."""

    lanes: Lanes
    tally: Tally
    outlook: Outlook
    metrics: Metrics
    registry: CollectorRegistry

    @property
    def audit(self) -> MeteredAuditLog:
        return MeteredAuditLog(behind=self.tally, metrics=self.metrics)

    def timed(
        self,
        attempt: Callable[[Lease], Awaitable[Report]],
        now: Callable[[], datetime],
    ) -> Callable[[Lease], Awaitable[Report]]:
        metered = MeteredAttempt(behind=attempt, metrics=self.metrics, now=now)
        return metered.attempt


def new_watch(
    lanes: Lanes, tally: Tally, outlook: Outlook, paused: Callable[[], int]
) -> Watch:
    registry = CollectorRegistry()
    registry.register(Gauges(lanes=lanes, outlook=outlook, paused=paused))
    ProcessCollector(registry=registry)
    return Watch(
        lanes=lanes,
        tally=tally,
        outlook=outlook,
        metrics=metrics_in(registry),
        registry=registry,
    )
