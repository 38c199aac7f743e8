"""Shapes: in which ways triggers are published and lists are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.api.samples import AMOUNT, gets, lines, lists

Requests = Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one run asks, of `count` things: of us, and of the bare application."""

    title: str
    count: int
    connections: int
    ours: Callable[[], Requests]
    bare: Callable[[], Requests]


def published(token: str, count: int) -> Sequence[Shape]:
    few = max(count // 5, 1)
    return (
        _in_lists(token, few, 1, connections=1),
        _in_lists(token, few, 1, connections=16),
        _in_lists(token, count, 100, connections=1),
        _in_lists(token, count, 500, connections=1),
        _in_lists(token, count, 500, connections=4),
        _in_lines(token, count),
    )


def listed(token: str, path: str, count: int, of_ours: str, of_bare: str) -> Shape:
    return Shape(
        title=f"GET {path}: a page of {AMOUNT}, 4 connections",
        count=count,
        connections=4,
        ours=lambda: gets(token, count, f"{path}{of_ours}"),
        bare=lambda: gets(token, count, f"{path}{of_bare}"),
    )


def _in_lists(token: str, count: int, each: int, *, connections: int) -> Shape:
    requests = max(count // each, connections)

    def made() -> Requests:
        return lists(token, requests, each)

    return Shape(
        title=f"POST /triggers: {each} a request, {connections} connections",
        count=requests * each,
        connections=connections,
        ours=made,
        bare=made,
    )


def _in_lines(token: str, count: int) -> Shape:
    def made() -> Requests:
        return [lines(token, count)]

    return Shape(
        title="POST /triggers: one stream of JSON lines",
        count=count,
        connections=1,
        ours=made,
        bare=made,
    )
