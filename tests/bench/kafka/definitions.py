"""Definitions: what a trigger from Kafka costs with few of them, and with very many."""

import argparse

import uvloop

from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from keyrelay.stores.installation import list_profiles
from tests.bench.definitions import action_id, fill
from tests.bench.kafka.crew import ours
from tests.bench.kafka.overhead import measured
from tests.bench.kafka.stage import Stage
from tests.bench.measure import Measure
from tests.bench.scale import FEW, STRIDE
from tests.bench.sheet import Sheet

_ROUNDS = 3


def definitions(stage: Stage, asked: argparse.Namespace) -> Sheet:
    counts = (FEW, asked.definitions)
    houses = {count: _furnished(stage, count) for count in counts}
    rounds = [
        [_measured(houses[count], count, asked.waiting) for count in counts]
        for _ in range(_ROUNDS)  # in turn, since the machine has its moods
    ]
    best = [min(each, key=lambda one: one.cpu) for each in zip(*rounds, strict=True)]
    return Sheet(
        title=f"From Kafka to nowhere: the best of {_ROUNDS} rounds",
        measures=best,
        against=best[0].name,
    )


def _furnished(stage: Stage, count: int) -> Stage:
    """Return a stage on the same servers, with that many of everything."""
    house = stage.apart(f"home-{count}")
    house.home.run("init", "--no-token")
    database = house.home.settings["KEYRELAY_DATABASE"]
    settings = load_settings(None, {"home": house.home.path, "database": database})
    uvloop.run(_furnish(settings, count))
    return house


async def _furnish(settings: Settings, count: int) -> None:
    async with open_store(settings) as store:
        (profile,) = await list_profiles(store.database)
        await fill(store, profile.id, count)


def _measured(house: Stage, count: int, triggers: int) -> Measure:
    topic = house.topic()
    named = (
        (id_, action_id(number * STRIDE % count))
        for number, id_ in enumerate(topic.ids(triggers))
    )
    uvloop.run(topic.fill(named))
    program = ours(house, topic, count=triggers, null=True)
    return measured(house, program, f"{count:,} definitions")
