"""Neighbours: triggers for a good mail server, beside as many for a dead one."""

from datetime import timedelta

import uvloop

from tests.bench.kafka.crew import ours, working
from tests.bench.kafka.stage import Stage
from tests.bench.measure import Measure
from tests.bench.sheet import Sheet

_WITHIN = timedelta(minutes=10)
_WELL = "both servers are well"


def neighbours(stage: Stage, count: int) -> Sheet:
    """Measure the good half of `count` triggers, in three companies."""
    return Sheet(
        title="A dead mail server beside a good one: the rate of the good one's half",
        measures=[
            _half(stage, count, _WELL, "beside"),
            _half(stage, count, "the other refuses connections", "refuses"),
            _half(stage, count, "the other accepts and never speaks", "mute"),
        ],
        against=_WELL,
        notes=["wanted: a rate ratio of 0.8 at least; CPU is of both halves"],
    )


def _half(stage: Stage, count: int, name: str, other: str) -> Measure:
    topic, ledger = stage.topic(), stage.sinks.mails.ledger
    good, bad = stage.actions["mail"], stage.actions[other]
    program = ours(stage, topic)
    with working(program, stage.logs) as crew:
        topic.await_members(program.group, 1)
        (first,) = crew.ask()
        before, half = ledger.count(), count // 2
        mixed = [
            (id_, bad if number % 2 else good)
            for number, id_ in enumerate(topic.ids(2 * half))
        ]
        uvloop.run(topic.fill(mixed))
        ledger.await_count(before + half, _WITHIN)
        (last,) = crew.ask()
    arrived = ledger.entries()[before:]
    return Measure(
        name=name,
        count=half,
        wall=timedelta(seconds=arrived[-1].at - arrived[0].at),
        cpu=timedelta(seconds=last.cpu - first.cpu),
        peak=last.peak,
    )
