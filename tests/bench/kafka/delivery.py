"""Delivery: from the topic to mails and to SQS, by one worker and by two."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import uvloop

from tests.bench.kafka.crew import Program, ours, theirs, working
from tests.bench.kafka.stage import Stage
from tests.bench.kafka.topic import PARTITIONS, Topic
from tests.bench.measure import Measure, Waits
from tests.bench.sheet import Sheet
from tests.faults.relay import trigger_of
from tests.sinks.ledger import Entry, Ledger

_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where an action's messages arrive; `id_of` reads the trigger in an entry."""

    action: str
    ledger: Ledger
    id_of: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many are there at once, and at which pace others come for how long."""

    burst: int
    per_second: float
    seconds: float


def mails(stage: Stage, load: Load) -> Sheet:
    way = Way(action="mail", ledger=stage.sinks.mails.ledger, id_of=trigger_of)
    return _sheet(stage, way, load, "Kafka to mail", "aiosmtplib")


def messages(stage: Stage, load: Load) -> Sheet:
    ledger = stage.sinks.messages.ledger
    way = Way(action="queue", ledger=ledger, id_of=_variable)
    return _sheet(stage, way, load, "Kafka to SQS", "aioboto3")


def _sheet(stage: Stage, way: Way, load: Load, title: str, library: str) -> Sheet:
    def one(topic: Topic) -> Program:
        return theirs(stage, topic, way.action)

    def many(topic: Topic) -> Program:
        return theirs(stage, topic, way.action, at_once=PARTITIONS)

    def keyrelay(topic: Topic) -> Program:
        return ours(stage, topic)

    runs = [
        ("FastStream", one, 1),
        ("FastStream, 2 workers", one, 2),
        (f"FastStream, {PARTITIONS} consumers", many, 1),
        ("keyrelay", keyrelay, 1),
        ("keyrelay, 2 workers", keyrelay, 2),
    ]
    return Sheet(
        title=title,
        measures=[_run(stage, way, load, *run) for run in runs],
        against=runs[0][0],
        notes=[
            f"p50 and p99: from produce to arrival, {load.per_second:.0f} a second",
            f"FastStream with {library}; one connection, and a commit for each trigger",
        ],
    )


def _run(
    stage: Stage,
    way: Way,
    load: Load,
    name: str,
    program_for: Callable[[Topic], Program],
    processes: int,
) -> Measure:
    topic = stage.topic()
    program = program_for(topic)
    with working(program, stage.logs, processes) as crew:
        members = processes * program.members
        topic.await_members(program.group, members)
        _burst(stage, way, topic, topic.ids(100, "warm"))
        before = crew.ask()
        arrived = _burst(stage, way, topic, topic.ids(load.burst))
        after = crew.ask()
        waits = _waits(stage, way, topic, load)
    return Measure(
        name=name,
        count=load.burst,
        wall=timedelta(seconds=arrived[-1].at - arrived[0].at),
        cpu=timedelta(
            seconds=sum(reading.cpu for reading in after)
            - sum(reading.cpu for reading in before)
        ),
        peak=max(reading.peak for reading in after),
        waits=waits,
    )


def _burst(stage: Stage, way: Way, topic: Topic, ids: Sequence[str]) -> Sequence[Entry]:
    """Return what arrived, once all of it has."""
    action, before = stage.actions[way.action], way.ledger.count()
    uvloop.run(topic.fill((id_, action) for id_ in ids))
    way.ledger.await_count(before + len(ids), _WITHIN)
    return way.ledger.entries()[before:]


def _waits(stage: Stage, way: Way, topic: Topic, load: Load) -> Waits:
    action, before = stage.actions[way.action], way.ledger.count()
    ids = topic.ids(int(load.per_second * load.seconds), "steady")
    due = uvloop.run(topic.drip([(id_, action) for id_ in ids], load.per_second))
    way.ledger.await_count(before + len(ids), _WITHIN)
    times = [
        entry.at - due[way.id_of(entry.name)] for entry in way.ledger.entries()[before:]
    ]
    hundredths = statistics.quantiles(times, n=100)
    return Waits(
        median=timedelta(seconds=hundredths[49]),
        most=timedelta(seconds=hundredths[98]),
    )


def _variable(body: str) -> str:
    document = json.loads(body)
    return str(document["variable"])
