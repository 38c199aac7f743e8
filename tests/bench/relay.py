"""Relay: the same messages through Keyrelay, from a published trigger to the sink."""

import resource
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Measure, Stopwatch
from tests.faults.relay import Relay, to_mail, to_queue
from tests.sinks.ledger import Ledger
from tests.sinks.smtp import SmtpSink
from tests.sinks.sqs import SqsSink

Report = Callable[[Measure], None]


def mails(
    home: Path, sink: SmtpSink, ca_file: Path, count: int, report: Report
) -> None:
    relay = to_mail(home, sink.address, ca_file)
    _relay(relay, sink.ledger, count, "keyrelay, trigger to mail", report)


def messages(home: Path, sink: SqsSink, count: int, report: Report) -> None:
    relay = to_queue(home, sink)
    _relay(relay, sink.ledger, count, "keyrelay, trigger to SQS", report)


def _relay(relay: Relay, ledger: Ledger, count: int, name: str, report: Report) -> None:
    """Measure a worker that finds `count` triggers waiting, without its start."""
    start = _drain(relay)
    relay.publish([f"t{number}" for number in range(count)])
    before = ledger.count()
    drained = _drain(relay)
    taken = ledger.entries()[before:]
    if len(taken) != count:
        raise ValueError(f"{len(taken)} of {count} triggers arrived, each should once")
    report(
        Measure(
            name=name,
            count=count,
            wall=drained.wall - start.wall,
            cpu=drained.cpu - start.cpu,
        )
    )


def _drain(relay: Relay) -> Measure:
    stopwatch = Stopwatch(resource.RUSAGE_CHILDREN)
    relay.home.run("worker", "--drain")
    return stopwatch.read("worker --drain", 1)
