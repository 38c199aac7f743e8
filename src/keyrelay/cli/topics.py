"""`keyrelay topics`: the topics that Kafka must have, and whether they are right."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, assert_never

import typer

from keyrelay.app.kafka import clients_of
from keyrelay.cli.exits import ExitCode
from keyrelay.cli.input import confirm
from keyrelay.cli.options import AsJson, Yes
from keyrelay.cli.output import Document, put, say, show_table
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import run, settings_of
from keyrelay.services.topics import TooFewBrokers, TopicSetup
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.topics.admin import open_administrator
from keyrelay.sources.kafka.topics.layout import Topic, TopicSize, wanted_topics
from keyrelay.sources.kafka.topics.names import Topics
from keyrelay.sources.kafka.topics.plan import Plan, Planned, TopicStep

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The topics of Kafka."
)

_COLUMNS = ("topic", "plan", "partitions", "replication", "retention", "in_sync")
_MOVED = (
    "Adding partitions moves keys: triggers that share one and are under way now may"
    " overtake each other."
)

Partitions = Annotated[
    int,
    typer.Option(min=1, max=10_000, help="Partitions of each topic, at the least."),
]
Replication = Annotated[
    int, typer.Option(min=1, max=100, help="Copies of each partition, at the least.")
]


@app.callback()
def topics() -> None:
    """Topics: made, and compared with what they must be."""


@app.command(
    epilog="""\b
Examples:
  keyrelay topics create --plan
  keyrelay topics create --partitions 24 --yes
  keyrelay topics create --replication 1 --yes         with one broker
  keyrelay topics create --partitions 48 --grow

What is there is left as it is, but for partitions, which --grow adds. Nothing is
deleted. The exit code is 1 if a topic that is there is not as it must be."""
)
def create(
    ctx: typer.Context,
    *,
    partitions: Partitions = 12,
    replication: Replication = 3,
    grow: Annotated[
        bool, typer.Option("--grow", help="Add partitions to topics that have fewer.")
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done, and do nothing.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make the topics that are missing; the plan is shown first."""
    clients = _clients(ctx)
    wanted = _wanted(clients, partitions, replication)
    planned = run(_look(clients, wanted, grow=grow))
    changes = [each for each in planned if each.step is not TopicStep.LEAVE]
    if only_plan or not as_json:
        _show(planned, as_json=as_json)
    if only_plan:
        return
    if changes:
        _confirm(changes, yes=yes)
        planned = run(_carry_out(clients, planned))
    if as_json:
        _show(planned, as_json=True)
    _report_faults(planned)


@app.command(
    epilog="""\b
Examples:
  keyrelay topics check
  keyrelay topics check --replication 1 --json         with one broker

Topics are compared with what `keyrelay topics create` makes under the same options. The
exit code is 1 if one is missing or differs, with a line for each difference."""
)
def check(
    ctx: typer.Context,
    *,
    partitions: Partitions = 12,
    replication: Replication = 3,
    as_json: AsJson = False,
) -> None:
    """Say whether all topics are there and as they must be."""
    clients = _clients(ctx)
    wanted = _wanted(clients, partitions, replication)
    planned = run(_look(clients, wanted, grow=False))
    if as_json:
        _show(planned, as_json=True)
    _report_faults(planned)
    if not as_json:
        put(f"{len(planned)} topics are there and as they must be")


def _clients(ctx: typer.Context) -> KafkaClients:
    settings = settings_of(ctx)
    # What the client library logs about a failure, our one sentence says.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if not settings.is_log:
        raise Refused(
            "triggers do not wait in Kafka here: set KEYRELAY_QUEUE to a URL like"
            " kafka://host:9092?topic=keyrelay.triggers"
        )
    return clients_of(settings)


def _wanted(
    clients: KafkaClients, partitions: int, replication: int
) -> Sequence[Topic]:
    named = Topics(main=clients.connection.address.topic)
    size = TopicSize(partitions=partitions, replication=replication)
    return wanted_topics(named, size)


async def _look(clients: KafkaClients, wanted: Sequence[Topic], *, grow: bool) -> Plan:
    async with open_administrator(clients) as administrator:
        try:
            return await TopicSetup(administrator=administrator).plan(wanted, grow=grow)
        except TooFewBrokers as fault:
            brokers, sentence = fault.brokers, str(fault)
    raise Refused(
        f"{sentence}, and there {'is' if brokers == 1 else 'are'} {brokers}; give"
        f" --replication {brokers}, if losing it may lose triggers"
    )


async def _carry_out(clients: KafkaClients, planned: Plan) -> Plan:
    async with open_administrator(clients) as administrator:
        return await TopicSetup(administrator=administrator).carry_out(planned)


def _confirm(changes: Plan, *, yes: bool) -> None:
    steps = [each.step for each in changes]
    if TopicStep.GROW in steps:
        say(_MOVED)
    if not yes:
        confirm(
            f"Create {steps.count(TopicStep.CREATE)} topics and add partitions to"
            f" {steps.count(TopicStep.GROW)}?"
        )


def _show(planned: Plan, *, as_json: bool) -> None:
    documents = [_document(each) for each in planned]
    if as_json:
        put(json.dumps(documents, indent=2))
    else:
        show_table([*map(_row, planned)], _COLUMNS)


def _document(planned: Planned) -> Document:
    there = planned.found or planned.wanted
    return {
        "topic": planned.wanted.name,
        "exists": planned.found is not None,
        "plan": planned.step,
        "partitions": there.size.partitions,
        "replication": there.size.replication,
        "settings": {
            name: there.settings.get(name) for name in planned.wanted.settings
        },
        "deviations": [
            {"setting": each.setting, "found": each.found, "wanted": each.wanted}
            for each in planned.deviations
        ],
    }


def _row(planned: Planned) -> Document:
    there = planned.found or planned.wanted
    return {
        "topic": planned.wanted.name,
        "plan": _words(planned),
        "partitions": str(there.size.partitions),
        "replication": str(there.size.replication),
        "retention": _days(there.settings.get("retention.ms", "")),
        "in_sync": there.settings.get("min.insync.replicas"),
    }


def _words(planned: Planned) -> str:
    match planned.step:
        case TopicStep.CREATE:
            return "create"
        case TopicStep.GROW:
            return f"add partitions, to {planned.wanted.size.partitions}"
        case TopicStep.LEAVE:
            return "differs" if planned.deviations else "as it must be"
        case _:
            assert_never(planned.step)


def _days(milliseconds: str) -> str:
    if not milliseconds.isdecimal():
        return "unlimited"
    return f"{timedelta(milliseconds=int(milliseconds)) / timedelta(days=1):g} days"


def _report_faults(planned: Plan) -> None:
    """Name what is wrong with the topics, and exit with 1 if anything is."""
    faults = [fault for each in planned for fault in _faults(each)]
    for fault in faults:
        say(f"keyrelay: {fault}")
    if faults:
        raise typer.Exit(ExitCode.REFUSED)


def _faults(planned: Planned) -> Iterator[str]:
    if planned.found is None:
        name = planned.wanted.name
        yield f"topic {name} is not to be seen: run `keyrelay topics create`"
    for deviation in planned.deviations:
        more = "; --grow adds them" if deviation.setting == "partitions" else ""
        yield f"{deviation}{more}"
