"""Counting: each request that is answered, under its route and class of status."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyrelay.api.border.refusal import BorderReason
from keyrelay.api.open_routes import OPEN_PATHS
from keyrelay.api.route import Route
from keyrelay.observability.request_metrics import (
    NO_ROUTE,
    RequestMetrics,
    RouteLabels,
    new_request_metrics,
)


def request_metrics(routes: Iterable[Route]) -> RequestMetrics:
    """Return what counts requests of these routes, and of those without a token."""
    labels = [route.labels for route in routes]
    return new_request_metrics(
        [*labels, *(("GET", path) for path in OPEN_PATHS)], BorderReason
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRequests:
    """Counts and times what `behind` answers.

    `routes` has the labels of each endpoint, which the router notes in the scope. An
    event stream is counted when it begins.
    """

    behind: ASGIApp
    metrics: RequestMetrics
    routes: Mapping[object, RouteLabels]
    clock: Callable[[], float] = time.perf_counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, is_counted = self.clock(), False

        def count(status: int) -> None:
            nonlocal is_counted
            if not is_counted:
                is_counted = True
                seconds = self.clock() - began
                self.metrics.answered(self._route(scope), status, seconds)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self.behind(scope, receive, send_counted)
        finally:
            count(500)  # unless it was answered: the front does so

    def _route(self, scope: Scope) -> RouteLabels:
        labels = self.routes.get(scope.get("endpoint"), NO_ROUTE)
        # The router notes an endpoint for a method that its path has not, too.
        return labels if labels[0] == scope["method"] else NO_ROUTE
