"""Measure and print: `python -m tests.bench [WHAT …] [--triggers 5000] [--json FILE]`.

The figures are of this machine at this moment; only those of one run compare.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console

from tests.bench import (
    bulk,
    claims,
    edits,
    parts,
    plain,
    records,
    relay,
    runs,
    scale,
    startup,
)
from tests.bench.api import sheets as api
from tests.bench.certificate import certify
from tests.bench.kafka import sheets as kafka
from tests.bench.measure import Measure
from tests.bench.sheet import Sheet
from tests.sinks import smtp, sqs
from tests.sinks.smtp import SmtpSink

# What is kept in a file is not cut to the width that a terminal is taken to have.
_console = Console(width=None if sys.stdout.isatty() else 120)


def main() -> None:
    asked = _arguments()
    _console.print(
        f"{platform.python_implementation()} {platform.python_version()},"
        f" {os.cpu_count()} CPUs, {platform.machine()}; load {_load()}"
    )
    sheets: list[Sheet] = []
    for what in asked.what or _MEASURED:
        for sheet in _MEASURED[what](asked):
            _console.print()
            _console.print(sheet.table())
            sheets.append(sheet)
    _console.print(f"\nload {_load()} at the end")
    if asked.json is not None:
        documents = [sheet.document() for sheet in sheets]
        asked.json.write_text(json.dumps(documents, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "what", nargs="*", help=f"one or more of {', '.join(_MEASURED)} (all)"
    )
    parser.add_argument(
        "--triggers", type=int, default=5000, help="how many go each way (5000)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    scale.add_arguments(parser)
    kafka.add_arguments(parser)
    asked = parser.parse_args()
    asked.triggers = max(100, asked.triggers)
    if unknown := set(asked.what) - set(_MEASURED):
        parser.error(f"there is nothing called {', '.join(sorted(unknown))}")
    return asked


def _load() -> str:
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())


def _parts(asked: argparse.Namespace) -> Iterator[Sheet]:
    measures, triggers = list[Measure](), asked.triggers
    with _console.status("The parts alone …"):
        uvloop.run(parts.queue(triggers, measures.append))
        uvloop.run(parts.vault(triggers, measures.append))
        for policies in (100, 10_000):
            parts.policy(triggers, policies, measures.append)
    yield Sheet(title="The parts alone, in this process", measures=measures)


def _mails(asked: argparse.Namespace) -> Iterator[Sheet]:
    measures, triggers = list[Measure](), asked.triggers
    with _folder() as folder, _mail_sink(folder) as (ca_file, sink):
        with _console.status("Mail, plain loops …"):
            few = max(100, triggers // 10)  # a handshake each takes its time
            uvloop.run(plain.send(sink, ca_file, few, measures.append))
            uvloop.run(plain.sendmail(sink, ca_file, triggers, measures.append))
        with _console.status("Mail, through Keyrelay …"):
            relay.mails(folder / "home", sink, ca_file, triggers, measures.append)
    yield Sheet(
        title="Mail, STARTTLS and a login", measures=measures, against="aiosmtplib.send"
    )


def _messages(asked: argparse.Namespace) -> Iterator[Sheet]:
    measures, triggers = list[Measure](), asked.triggers
    with _folder() as folder, sqs.running(folder / "sqs") as sink:
        with _console.status("SQS, plain loop …"):
            uvloop.run(plain.send_message(sink, triggers, measures.append))
        with _console.status("SQS, through Keyrelay …"):
            relay.messages(folder / "home", sink, triggers, measures.append)
    yield Sheet(title="SQS", measures=measures, against="aioboto3 send_message")


def _runs(asked: argparse.Namespace) -> Iterator[Sheet]:
    with _folder() as folder, _mail_sink(folder) as (ca_file, sink):
        yield from runs.sheets(folder, sink, ca_file, asked.triggers)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as name:
        yield Path(name)


@contextmanager
def _mail_sink(folder: Path) -> Iterator[tuple[Path, SmtpSink]]:
    ca_file, server = certify(folder)
    with smtp.running(folder / "smtp", certificate=server) as sink:
        yield ca_file, sink


_MEASURED: Mapping[str, Callable[[argparse.Namespace], Iterable[Sheet]]] = {
    "startup": startup.sheets,
    "parts": _parts,
    "mail": _mails,
    "sqs": _messages,
    "runs": _runs,
    "scale": scale.sheets,
    "edits": edits.sheets,
    "bulk": bulk.sheets,
    "claims": claims.sheets,
    "records": records.sheets,
    "api": api.sheets,
    "kafka": kafka.sheets,
}

if __name__ == "__main__":
    main()
