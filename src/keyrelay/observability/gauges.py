"""Gauges: how a worker stands at the moment it is asked, for Prometheus to collect."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from keyrelay import __version__
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.readiness import Readiness


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """A collector: what it says of topics and parts is as old as the last look."""

    lanes: Lanes
    readiness: Readiness
    paused: Callable[[], int]

    def collect(self) -> Iterator[Metric]:
        yield _gauge("lanes", "Attempts there can be at once.", self.lanes.total)
        yield _gauge("lanes_busy", "Lanes that hold a trigger.", self.lanes.busy)
        yield _gauge("secrets_paused", "Secrets that are left alone.", self.paused())
        yield self._parts()
        yield from self._topics()
        yield InfoMetricFamily(
            "keyrelay_build",
            "What runs.",
            {"version": __version__, "python": platform.python_version()},
        )

    def _parts(self) -> Metric:
        family = GaugeMetricFamily(
            "keyrelay_part_ready",
            "Whether what a worker cannot do without answers: 1, it does.",
            labels=["part"],
        )
        faults = self.readiness.faults()
        for name in self.readiness.parts:
            family.add_metric([name], name not in faults)
        return family

    def _topics(self) -> Iterator[Metric]:
        lag = _by_topic("lag", "Triggers that wait.")
        age = _by_topic("oldest_age_seconds", "How long the first has waited.")
        drain = _by_topic(
            "time_to_drain_seconds",
            "How long the lanes need for what waits, at their pace of the last minute.",
        )
        pace = self.lanes.pace()
        for each in self.readiness.waiting.lags:
            lag.add_metric([each.topic], each.waiting)
            age.add_metric([each.topic], each.age.total_seconds())
            drain.add_metric([each.topic], pace.time_for(each).total_seconds())
        yield from (lag, age, drain)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"keyrelay_{name}", about, value)


def _by_topic(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keyrelay_{name}", about, labels=["topic"])
