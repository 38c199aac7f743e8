"""Scale: what a start and a trigger cost with few definitions, and with very many."""

import argparse
import asyncio
import resource
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import uvloop
from rich.console import Console

from keyrelay.app.founding import initialise
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import Store, open_store
from keyrelay.model.trigger import Origin
from keyrelay.observability.logs import configure_logs
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from tests.bench.definitions import action_id, fill
from tests.bench.engine import Source, engine
from tests.bench.measure import Measure, measuring
from tests.bench.sheet import Sheet

FEW = 100
STRIDE = 7919  # a prime: before all actions had their turn, none has it again

_MANY = 100_000
_ROUNDS = 8

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
        help=f"so many actions, secrets and policies each, beside {FEW} ({_MANY})",
    )


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    starts, triggers = list[Measure](), list[Measure]()
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        for count in (FEW, asked.definitions):
            with _console.status(f"{count:,} definitions …"):
                house = _apart(_furnished, Path(folder) / str(count), count)
                start, *rest = _apart(_measured, house, asked.triggers)
            starts.append(start)
            triggers += rest
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


def _measured(house: _House, triggers: int) -> list[Measure]:
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


async def _measure(house: _House, triggers: int) -> list[Measure]:
    """Measure a start, then triggers of few actions, then of all that there are."""
    starts, best = list[Measure](), list[Measure]()
    async with open_store(house.settings) as store:
        catalog = LiveCatalog(
            database=store.database,
            guard=store.guard,
            world=store.audit_log.world,
            rules=store.definitions.secrets.actions,
            replaced=lambda _: None,
        )
        with measuring(house.name, 1, starts.append):
            await catalog.refresh()
        stop = asyncio.Event()
        watching = asyncio.create_task(catalog.watch(stop))
        for used in sorted({FEW, house.count}):
            name = house.name if used == FEW else f"{house.name}, all in use"
            rounds = [_raws(used, triggers, number) for number in range(_ROUNDS)]
            work = partial(_work, store, catalog, house.profile)
            best.append(await _best_of(rounds, work, name))
        stop.set()
        await watching
    return [*starts, *best]


async def _best_of(
    rounds: Sequence[Sequence[bytes]],
    work: Callable[[Iterator[bytes]], Awaitable[None]],
    name: str,
) -> Measure:
    measures: list[Measure] = []
    for raws in rounds:
        with measuring(name, len(raws), measures.append):
            await work(iter(raws))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return replace(min(measures, key=lambda each: each.cpu), peak=peak)


async def _work(
    store: Store, catalog: LiveCatalog, profile: str, raws: Iterator[bytes]
) -> None:
    world = store.audit_log.world
    origin = Origin(profile=profile, now=world.now, new_id=world.new_id)
    worker = engine(store, catalog, Source(raws, origin))
    await worker.run(asyncio.Event(), timedelta(seconds=1))


def _raws(used: int, count: int, number: int) -> Sequence[bytes]:
    """Return a round's triggers, of so many actions, of which none is at hand."""
    return [
        (
            f'{{"id":"t{one}","action":"{action_id(one * STRIDE % used)}",'
            '"data":[{"variable":"temperature","value":9.5,"unit":"C",'
            '"time":"2026-11-23T06:00:00Z","device":"door-17"}]}'
        ).encode()
        for one in range(number * count, (number + 1) * count)
    ]
