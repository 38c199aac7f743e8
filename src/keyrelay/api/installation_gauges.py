"""Installation gauges: what its operator is told of it, for Prometheus to collect."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from keyrelay.model.pause import PauseKind
from keyrelay.services.installation_status import InstallationStatus, QueueDepth, age


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstallationGauges:
    """prometheus_client's Collector of one status; what is not known is not there."""

    status: InstallationStatus
    now: datetime

    def collect(self) -> Iterator[Metric]:
        status = self.status
        yield _gauge("workers", "Workers that are alive.", len(status.workers))
        hosts = len(status.run_hosts)
        yield _gauge("run_hosts", "Processes that host scripts.", hosts)
        yield self._paused()
        if status.queue is not None:
            yield from self._queue(status.queue)
        yield _gauge("audit_chains", "Chains of the audit trail.", self._chains)
        if (free := status.disk.free) is not None:
            about = "What is free of the disk with the data directory."
            yield _gauge("disk_free_bytes", about, free)

    @property
    def _chains(self) -> int:
        return self.status.audit.extent.chains

    def _paused(self) -> Metric:
        family = _family(
            "secrets_paused", "Secrets that are paused, in all profiles.", "kind"
        )
        for kind in PauseKind:
            family.add_metric([kind], self.status.keys.paused.get(kind, 0))
        return family

    def _queue(self, queue: QueueDepth) -> Iterator[Metric]:
        yield _gauge("waiting", "Triggers that wait for any worker.", queue.waiting)
        if queue.held is not None:
            yield _gauge("held", "Triggers that people hold.", queue.held)
        oldest = age(queue.oldest, self.now)
        if oldest is not None:
            about = "How long the first of them has waited."
            yield _gauge("oldest_age_seconds", about, oldest)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"keyrelay_installation_{name}", about, value)


def _family(name: str, about: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keyrelay_installation_{name}", about, labels=[label])
