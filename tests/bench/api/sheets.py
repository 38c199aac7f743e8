"""Sheets: how fast triggers are published and lists read, beside a bare application."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from keyrelay.model.cursor import Cursor
from tests.bench.api.client import Served
from tests.bench.api.shapes import Shape, listed, published
from tests.bench.api.stage import ATTEMPTS, FIRST, STEP, both_served, furnished
from tests.bench.measure import Measure
from tests.bench.sheet import Sheet

_RUNS = 5

_console = Console()


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        with _console.status("A home with much to list …"):
            stage = uvloop.run(furnished(Path(folder)))
        with both_served(stage) as (bare, ours, token):
            shapes = [*published(token, 2 * asked.triggers), *_lists(token, asked)]
            for shape in shapes:
                with _console.status(f"{shape.title} …"):
                    sheet = _compared(shape, bare, ours)
                yield sheet


def _lists(token: str, asked: argparse.Namespace) -> Sequence[Shape]:
    few = asked.triggers // 5
    middle = Cursor(FIRST + ATTEMPTS // 2 * STEP, "f" * 24)
    row = f"?after={middle.at:%Y-%m-%dT%H:%M:%S.%f}~{middle.id}"
    return (
        listed(token, "/secrets", few, "", ""),
        listed(token, "/triggers", few, "", ""),
        listed(token, "/attempts", few, f"?after={middle}", row),
    )


def _compared(shape: Shape, bare: Served, ours: Served) -> Sheet:
    """Measure both in turn, so that what else the machine does befalls both."""
    measures: dict[str, list[Measure]] = {bare.name: [], ours.name: []}
    for _ in range(_RUNS):
        for served, made in ((bare, shape.bare), (ours, shape.ours)):
            measure = served.measure(made(), shape.connections, shape.count)
            measures[served.name].append(measure)
    return Sheet(
        title=f"{shape.title}; the median of {_RUNS} runs",
        measures=[_median(each) for each in measures.values()],
        against=bare.name,
    )


def _median(measures: Sequence[Measure]) -> Measure:
    return sorted(measures, key=lambda each: each.wall)[len(measures) // 2]
