"""Sheets: all that is measured on the way of many machines, one after another."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from rich.console import Console

from tests.bench.kafka.definitions import definitions
from tests.bench.kafka.delivery import Load, mails, messages
from tests.bench.kafka.neighbours import neighbours
from tests.bench.kafka.overhead import overhead
from tests.bench.kafka.stage import standing
from tests.bench.sheet import Sheet

_console = Console()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kafka = parser.add_argument_group("kafka")
    kafka.add_argument(
        "--waiting",
        type=int,
        default=20_000,
        help="triggers in the topic whose consumer overhead is measured (20000)",
    )
    kafka.add_argument(
        "--backlog",
        type=int,
        default=0,
        help="measure the memory over so many, too, such as 1000000",
    )
    kafka.add_argument(
        "--lanes", type=int, default=256, help="attempts under way at once (256)"
    )
    kafka.add_argument(
        "--rate", type=float, default=100, help="triggers a second for p50, p99 (100)"
    )


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    load = Load(burst=asked.triggers, per_second=asked.rate, seconds=10)
    with ExitStack() as stack:
        with _console.status("A broker, a database and a home …"):
            stand = stack.enter_context(standing(lanes=asked.lanes))
        measured: Mapping[str, Callable[[], Sheet]] = {
            "Consumer overhead …": lambda: overhead(stand, asked),
            "Kafka to mail …": lambda: mails(stand, load),
            "Kafka to SQS …": lambda: messages(stand, load),
            "Neighbours …": lambda: neighbours(stand, 2 * asked.triggers),
            "Definitions …": lambda: definitions(stand, asked),
        }
        for what, measure in measured.items():
            with _console.status(what):
                sheet = measure()
            yield sheet
