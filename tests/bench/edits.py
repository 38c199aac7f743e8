"""Edits: what an edit costs beside few definitions, and beside very many."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from keyrelay.app.founding import initialise
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from tests.bench.definitions import action_id, fill
from tests.bench.measure import Measure, Stopwatch
from tests.bench.scale import FEW
from tests.bench.sheet import Sheet

_ROUNDS = 8
_EDITS = 100  # in a round


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        measures = uvloop.run(_measured(Path(folder), (FEW, asked.definitions)))
    yield Sheet(
        title=f"An edit of an action: the best of {_ROUNDS} rounds",
        measures=measures,
        against=measures[0].name,
    )


async def _measured(folder: Path, counts: Sequence[int]) -> list[Measure]:
    houses = [await _furnished(folder / str(count), count) for count in counts]
    best = list[Measure | None]([None] * len(houses))
    # In turn, so that what else the machine does befalls all of them.
    for round_ in range(_ROUNDS):
        for place, (settings, profile) in enumerate(houses):
            name = f"{counts[place]:,} definitions"
            measured = await _edited(settings, profile, name, round_)
            known = best[place]
            if known is None or measured.cpu_each < known.cpu_each:
                best[place] = measured
    return [each for each in best if each is not None]


async def _furnished(home: Path, count: int) -> tuple[Settings, str]:
    settings = load_settings(None, {"home": home})
    profile = (await initialise(settings, "bench")).profile.id
    async with open_store(settings) as store:
        await fill(store, profile, count)
    return settings, profile


async def _edited(settings: Settings, profile: str, name: str, round_: int) -> Measure:
    async with open_store(settings) as store:
        actions = store.definitions.actions
        changes = {"active": bool(round_ % 2)}
        await actions.edit(profile, action_id(0), changes, "bench")
        stopwatch = Stopwatch()
        for number in range(_EDITS):
            await actions.edit(profile, action_id(number), changes, "bench")
        return stopwatch.read(name, _EDITS)
