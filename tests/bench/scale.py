"""Scale: what a start and a trigger cost with few definitions, and with very many."""

import argparse
import asyncio
import resource
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import uvloop
from rich.console import Console

from keyrelay.logs import configure_logs
from keyrelay.opening import Store, initialise, open_store
from keyrelay.settings import Settings, load_settings
from keyrelay.stores.catalog import LiveCatalog
from keyrelay.trigger import Origin
from tests.bench.definitions import action_id, fill
from tests.bench.engine import Source, engine
from tests.bench.measure import Measure, measuring
from tests.bench.sheet import Sheet

_FEW, _MANY = 100, 100_000
_ROUNDS = 5
_STRIDE = 7919  # a prime: before all actions had their turn, none has it again

A = TypeVar("A")
R = TypeVar("R")

_console = Console()


@dataclass(frozen=True, slots=True, kw_only=True)
class _House:
    """A home with that many actions, secrets and policies each."""

    home: Path
    profile: str
    count: int

    @property
    def settings(self) -> Settings:
        return load_settings(None, {"home": self.home})

    @property
    def name(self) -> str:
        return f"{self.count:,} definitions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("scale").add_argument(
        "--definitions",
        type=int,
        default=_MANY,
        help=f"so many actions, secrets and policies each, beside {_FEW} ({_MANY})",
    )


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    starts, triggers = list[Measure](), list[Measure]()
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        for count in (_FEW, asked.definitions):
            with _console.status(f"{count:,} definitions …"):
                house = _apart(_furnished, Path(folder) / str(count), count)
                start, trigger = _apart(_measured, house, asked.triggers)
            starts.append(start)
            triggers.append(trigger)
    few = starts[0].name
    yield Sheet(title="A start, to the first view", measures=starts, against=few)
    yield Sheet(
        title=f"A trigger, dispatched to nowhere: the best of {_ROUNDS} rounds",
        measures=triggers,
        against=few,
    )


def _apart(work: Callable[[A, int], R], about: A, count: int) -> R:
    """Work in a process of its own, whose memory holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, about, count).result()


def _furnished(home: Path, count: int) -> _House:
    with _logging(home):
        return uvloop.run(_furnish(home, count))


def _measured(house: _House, triggers: int) -> tuple[Measure, Measure]:
    with _logging(house.home):
        return uvloop.run(_measure(house, triggers))


@contextmanager
def _logging(home: Path) -> Iterator[None]:
    with home.with_suffix(".log").open("a") as log:
        configure_logs("json", log)
        yield


async def _furnish(home: Path, count: int) -> _House:
    settings = load_settings(None, {"home": home})
    profile = (await initialise(settings, "bench")).profile.id
    async with open_store(settings) as store:
        await fill(store, profile, count)
    return _House(home=home, profile=profile, count=count)


async def _measure(house: _House, triggers: int) -> tuple[Measure, Measure]:
    starts, rounds = list[Measure](), list[Measure]()
    async with open_store(house.settings) as store:
        catalog = LiveCatalog(
            database=store.database,
            vault=store.vault,
            world=store.ledger.world,
            replaced=lambda _: None,
        )
        with measuring(house.name, 1, starts.append):
            await catalog.refresh()
        stop = asyncio.Event()
        watching = asyncio.create_task(catalog.watch(stop))
        for number in range(_ROUNDS):
            raws = _raws(house, range(number * triggers, (number + 1) * triggers))
            worker = engine(store, catalog, _source(store, house, raws))
            with measuring(house.name, triggers, rounds.append):
                await worker.run(stop, timedelta(seconds=1))
        stop.set()
        await watching
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return starts[0], replace(min(rounds, key=lambda each: each.cpu), peak=peak)


def _source(store: Store, house: _House, raws: list[bytes]) -> Source:
    world = store.ledger.world
    origin = Origin(profile=house.profile, now=world.now, new_id=world.new_id)
    return Source(iter(raws), origin)


def _raws(house: _House, numbers: range) -> list[bytes]:
    """Return triggers of actions all over the catalog, so that none is at hand."""
    actions = [action_id(number * _STRIDE % house.count) for number in numbers]
    return [
        (
            f'{{"id":"t{number}","action":"{action}",'
            '"data":[{"variable":"temperature","value":9.5,"unit":"C",'
            '"time":"2026-11-23T06:00:00Z","device":"door-17"}]}'
        ).encode()
        for number, action in zip(numbers, actions, strict=True)
    ]
