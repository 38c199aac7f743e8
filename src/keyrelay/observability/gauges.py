"""Gauges: a worker's state at the moment of a scrape, for Prometheus to collect."""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from keyrelay import __version__
from keyrelay.model.pause import PauseKind
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.readiness import Readiness


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """prometheus_client's Collector.

    What it says of topics and components is as old as the last Readiness.refresh.
    """

    lanes: Lanes
    readiness: Readiness
    paused: Callable[[], Mapping[PauseKind, int]]
    lingering: Callable[[], int]

    def collect(self) -> Iterator[Metric]:
        yield _gauge("lanes", "Triggers that can be at work at once.", self.lanes.total)
        yield _gauge("lanes_busy", "Lanes that hold a trigger.", self.lanes.busy)
        yield _gauge(
            "attempts_lingering",
            "Attempts that wait for their peer without a lane.",
            self.lingering(),
        )
        yield self._paused()
        yield self._components()
        yield from self._topics()
        yield from self._losses()
        yield InfoMetricFamily(
            "keyrelay_build",
            "The version of Keyrelay and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )

    def _paused(self) -> Metric:
        family = GaugeMetricFamily(
            "keyrelay_secrets_paused",
            "Secrets that are paused: whose credential was refused, for all workers;"
            " whose peer is unreachable, for this one.",
            labels=["kind"],
        )
        paused = self.paused()
        for kind in PauseKind:
            family.add_metric([kind], paused[kind])
        return family

    def _components(self) -> Metric:
        family = GaugeMetricFamily(
            "keyrelay_part_ready",
            "Whether what a worker needs answers: 1, it does; 0, it does not.",
            labels=["part"],
        )
        faults = self.readiness.faults()
        for name in self.readiness.components:
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
        for each in self.readiness.queue_lag.lags:
            lag.add_metric([each.topic], each.waiting)
            age.add_metric([each.topic], each.age.total_seconds())
            drain.add_metric([each.topic], pace.time_to_drain(each).total_seconds())
        yield from (lag, age, drain)

    def _losses(self) -> Iterator[Metric]:
        queue = self.readiness.queue_lag
        unreadable = CounterMetricFamily(
            "keyrelay_unreadable_records",
            "What was in a queue and is no trigger.",
            labels=["topic"],
        )
        lost = CounterMetricFamily(
            "keyrelay_lost_records",
            "Records that Kafka deleted before they were read.",
            labels=["topic"],
        )
        for family, counts in (
            (unreadable, queue.losses.unreadable),
            (lost, queue.losses.lost),
        ):
            # From the start, so that a rate is known from the first event on.
            for topic in {each.topic for each in queue.lags} | counts.keys():
                family.add_metric([topic], counts[topic])
            yield family


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"keyrelay_{name}", about, value)


def _by_topic(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keyrelay_{name}", about, labels=["topic"])
