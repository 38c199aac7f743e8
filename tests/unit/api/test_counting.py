"""Counting: each request once, under its route, when its answer begins."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from keyrelay.api.counting import CountedRequests, request_metrics
from keyrelay.observability.request_metrics import RequestMetrics

INFO = ("GET", "/info")
NONE = ("none", "none")
Answers = Callable[[Scope, Send], Awaitable[None]]


@pytest.fixture
def metrics() -> RequestMetrics:
    return request_metrics(())


async def counted(
    metrics: RequestMetrics, answers: Answers, method: str = "GET"
) -> None:
    """Have one request answered so; between its head and its answer are two seconds."""

    async def behind(scope: Scope, _: Receive, send: Send) -> None:
        scope["endpoint"] = answers
        await answers(scope, send)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Take it."""

    times = iter((5.0, 7.0))
    app = CountedRequests(
        behind=behind,
        metrics=metrics,
        routes={answers: ("GET", "/healthz")},
        clock=lambda: next(times),
    )
    await app({"type": "http", "method": method}, receive, send)


def told(metrics: RequestMetrics) -> dict[tuple[str, str], int]:
    """Return the route and the class of status of all that was counted."""
    return {
        (route[1], status): count
        for (route, status), count in metrics.requests.items()
        if count
    }


def answering(status: int) -> Answers:
    async def answers(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answers


@pytest.mark.parametrize(
    ("status", "named"), [(200, "2xx"), (202, "2xx"), (401, "4xx"), (503, "5xx")]
)
async def test_an_answer_is_counted_by_the_class_of_its_status(
    metrics: RequestMetrics, status: int, named: str
) -> None:
    await counted(metrics, answering(status))

    assert told(metrics) == {("/healthz", named): 1}


async def test_the_time_to_the_beginning_of_an_answer_is_counted(
    metrics: RequestMetrics,
) -> None:
    await counted(metrics, answering(200))

    histogram = metrics.seconds["GET", "/healthz"]
    assert histogram.sum == 2
    assert dict(histogram.buckets())["1.0"] == 0
    assert dict(histogram.buckets())["2.5"] == 1


async def test_what_fails_without_an_answer_is_counted_as_such(
    metrics: RequestMetrics,
) -> None:
    async def fails(_: Scope, __: Send) -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        await counted(metrics, fails)

    assert told(metrics) == {("/healthz", "5xx"): 1}


async def test_an_answer_that_is_cut_short_is_counted_once(
    metrics: RequestMetrics,
) -> None:
    async def cut(scope: Scope, send: Send) -> None:
        await answering(200)(scope, send)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await counted(metrics, cut)

    assert told(metrics) == {("/healthz", "2xx"): 1}


async def test_a_method_that_a_path_has_not_makes_no_series(
    metrics: RequestMetrics,
) -> None:
    before = metrics.requests.keys() | set()

    await counted(metrics, answering(405), method="MKCOL")

    assert told(metrics) == {("none", "4xx"): 1}
    assert metrics.requests.keys() == before


def test_a_route_that_is_none_makes_no_series(metrics: RequestMetrics) -> None:
    metrics.answered(INFO, 200, 0.1)

    assert told(metrics) == {("none", "2xx"): 1}
    assert INFO not in metrics.seconds
    assert NONE in metrics.seconds
