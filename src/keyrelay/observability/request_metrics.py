"""Request metrics: what an API process counts and times, for Prometheus to collect.

Labels come from closed lists: a request stands under the pattern of its route, never
under its path, so that no id and nothing that a client has chosen becomes a label.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from keyrelay import __version__
from keyrelay.observability.histogram import Histogram, filled
from keyrelay.observability.readiness import Readiness

RouteLabels = tuple[str, str]  # method and pattern

# What no route is for, or not with this method.
NO_ROUTE: RouteLabels = ("none", "none")

_CLASSES = ("2xx", "4xx", "5xx")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestMetrics:
    """prometheus_client's Collector over plain numbers.

    Every possible series exists from the start, so that a rate is known from the first
    event on.
    """

    requests: dict[tuple[RouteLabels, str], int]  # by route and class of the status
    seconds: Mapping[RouteLabels, Histogram]
    refused: dict[str, int]  # by reason
    wrong_tokens: dict[str, int] = field(
        default_factory=lambda: {"denied": 0, "limited": 0}, init=False
    )

    def answered(self, route: RouteLabels, status: int, seconds: float) -> None:
        """Count a request whose answer began after so many seconds."""
        known = route if route in self.seconds else NO_ROUTE
        key = (known, f"{status // 100}xx")
        self.requests[key] = self.requests.get(key, 0) + 1
        self.seconds[known].observe(seconds)

    def refuse(self, reason: str) -> None:
        """Count what was refused before the application saw it."""
        self.refused[reason] += 1

    def wrong_token(self, *, limited: bool) -> None:
        """Count a token that does not count; `limited`, one of too many."""
        self.wrong_tokens["limited" if limited else "denied"] += 1

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        seconds = HistogramMetricFamily(
            "keyrelay_api_request_seconds",
            "From a request's head to the beginning of its answer.",
            labels=["method", "route"],
        )
        for route, histogram in self.seconds.items():
            filled(seconds, route, histogram)
        yield seconds
        yield _counter(
            "keyrelay_api_refused",
            "What was refused before the application saw it.",
            "reason",
            self.refused,
        )
        yield _counter(
            "keyrelay_api_wrong_tokens",
            "Requests with a token that does not count, by how they were answered.",
            "answer",
            self.wrong_tokens,
        )

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "keyrelay_api_requests",
            "Requests that were answered, by route and class of the status.",
            labels=["method", "route", "status"],
        )
        for (route, status), count in self.requests.items():
            family.add_metric([*route, status], count)
        return family


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ApiGauges:
    """prometheus_client's Collector: an API process at the moment of a scrape.

    `streams` returns how many event streams are open.
    """

    readiness: Readiness
    streams: Callable[[], int]

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "keyrelay_api_part_ready",
            "Whether what an API process needs answers: 1, it does; 0, it does not.",
            labels=["part"],
        )
        faults = self.readiness.faults()
        for name in self.readiness.components:
            ready.add_metric([name], name not in faults)
        yield ready
        yield GaugeMetricFamily(
            "keyrelay_api_event_streams",
            "Event streams that are open.",
            self.streams(),
        )
        yield InfoMetricFamily(
            "keyrelay_api_build",
            "The version of Keyrelay and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiObservability:
    """`registry` holds what Prometheus may collect of this process."""

    started_at: datetime
    readiness: Readiness
    metrics: RequestMetrics
    registry: CollectorRegistry


def new_request_metrics(
    routes: Iterable[RouteLabels], reasons: Iterable[str]
) -> RequestMetrics:
    """Count from zero for each route and each reason to refuse that there is."""
    known = (*routes, NO_ROUTE)
    return RequestMetrics(
        requests={(route, each): 0 for route in known for each in _CLASSES},
        seconds={route: Histogram(_SECONDS) for route in known},
        refused=dict.fromkeys(reasons, 0),
    )


def new_api_observability(
    metrics: RequestMetrics,
    readiness: Readiness,
    started_at: datetime,
    streams: Callable[[], int],
) -> ApiObservability:
    """Observe an API process; `streams` returns how many event streams are open."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    registry.register(ApiGauges(readiness=readiness, streams=streams))
    ProcessCollector(registry=registry)
    return ApiObservability(
        started_at=started_at, readiness=readiness, metrics=metrics, registry=registry
    )


def _counter(name: str, about: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
