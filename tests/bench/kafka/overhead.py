"""Overhead: what it costs to take a trigger and to be done with it, doing nothing."""

import argparse
from datetime import timedelta
from functools import partial

import uvloop

from tests.bench.kafka.crew import Program, ours, theirs, working
from tests.bench.kafka.stage import Stage
from tests.bench.kafka.topic import PARTITIONS, Topic
from tests.bench.measure import Measure
from tests.bench.sheet import Sheet

_THEIRS = "FastStream"


def overhead(stage: Stage, asked: argparse.Namespace) -> Sheet:
    count, topic = asked.waiting, _filled(stage, asked.waiting)
    nothing = partial(theirs, stage, topic, "nothing", count=count)
    measures = [
        measured(stage, ours(stage, topic, count=count, null=True), "keyrelay"),
        measured(stage, nothing(), _THEIRS),
        measured(
            stage, nothing(at_once=PARTITIONS), f"{_THEIRS}, {PARTITIONS} consumers"
        ),
    ]
    if asked.backlog:
        measures.append(_backlog(stage, asked.backlog))
    return Sheet(
        title="Consumer overhead: one worker process, nothing is dispatched",
        measures=measures,
        against=_THEIRS,
        notes=[
            f"{PARTITIONS} partitions; keyrelay: {asked.lanes} lanes, audit and"
            " de-duplication in PostgreSQL; FastStream: a commit each, and neither"
        ],
    )


def _backlog(stage: Stage, count: int) -> Measure:
    topic = _filled(stage, count)
    program = ours(stage, topic, count=count, null=True)
    return measured(stage, program, "keyrelay, a long backlog")


def _filled(stage: Stage, count: int) -> Topic:
    topic = stage.topic()
    action = stage.actions["mail"]
    uvloop.run(topic.fill((id_, action) for id_ in topic.ids(count)))
    return topic


def measured(stage: Stage, program: Program, name: str) -> Measure:
    """Measure from the first trigger handled to the last."""
    with working(program, stage.logs) as crew:
        (first,), (last,) = crew.hear(), crew.hear()
    return Measure(
        name=name,
        count=last.handled - first.handled,
        wall=timedelta(seconds=last.at - first.at),
        cpu=timedelta(seconds=last.cpu - first.cpu),
        peak=last.peak,
    )
