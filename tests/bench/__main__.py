"""Measure and print: `python -m tests.bench [--triggers 5000]`.

The figures are of this machine at this moment; only those of one run compare.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import parts, plain, relay
from tests.bench.measure import Measure
from tests.bench.table import table
from tests.sinks import smtp, sqs

_console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--triggers", type=int, default=5000, help="how many go each way (5000)"
    )
    triggers = max(100, parser.parse_args().triggers)
    _console.print(
        f"{platform.python_implementation()} {platform.python_version()},"
        f" {os.cpu_count()} CPUs, {platform.machine()}; {triggers:,} triggers each way"
    )
    for measured in (_parts, _mails, _messages):
        _console.print()
        _console.print(measured(triggers))


def _parts(triggers: int) -> Table:
    measures: list[Measure] = []
    with _console.status("The parts alone …"):
        uvloop.run(parts.queue(triggers, measures.append))
        uvloop.run(parts.vault(triggers, measures.append))
        for policies in (100, 10_000):
            parts.policy(triggers, policies, measures.append)
    return table("The parts alone, in this process", measures, against=None)


def _mails(triggers: int) -> Table:
    measures: list[Measure] = []
    with (
        _folder() as folder,
        _certificate(folder) as (ca_file, server),
        smtp.running(folder / "smtp", certificate=server) as sink,
    ):
        with _console.status("Mail, plain loops …"):
            few = max(100, triggers // 10)  # a handshake each takes its time
            uvloop.run(plain.send(sink, ca_file, few, measures.append))
            uvloop.run(plain.sendmail(sink, ca_file, triggers, measures.append))
        with _console.status("Mail, through Keyrelay …"):
            relay.mails(folder / "home", sink, ca_file, triggers, measures.append)
    return table("Mail, STARTTLS and a login", measures, against="aiosmtplib.send")


def _messages(triggers: int) -> Table:
    measures: list[Measure] = []
    with _folder() as folder, sqs.running(folder / "sqs") as sink:
        with _console.status("SQS, plain loop …"):
            uvloop.run(plain.send_message(sink, triggers, measures.append))
        with _console.status("SQS, through Keyrelay …"):
            relay.messages(folder / "home", sink, triggers, measures.append)
    return table("SQS", measures, against="aioboto3 send_message")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as name:
        yield Path(name)


@contextmanager
def _certificate(folder: Path) -> Iterator[tuple[Path, Path]]:
    authority = trustme.CA()
    ca_file, server = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca_file)
    server.touch(mode=0o600)
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(server)
    yield ca_file, server


if __name__ == "__main__":
    main()
