"""Crew: worker processes, ours or theirs, and what their gauges say."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.kafka.gauge import Reading, read
from tests.bench.kafka.stage import Stage
from tests.bench.kafka.theirs import PASSWORD
from tests.bench.kafka.topic import Topic

_ROOT = Path(__file__).parent.parent.parent.parent

_PATIENCE = 1800.0  # seconds


class WorkerEnded(Exception):
    """A worker's process ended before it had done what it was started for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`members` is how many of its group one process is."""

    name: str
    group: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    members: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """`log` has what they wrote beside their readings."""

    processes: Sequence[subprocess.Popen[str]]
    log: Path

    def hear(self) -> list[Reading]:
        """Return the next reading of each, or raise WorkerEnded."""
        return [self._heard(process) for process in self.processes]

    def ask(self) -> list[Reading]:
        """Return what each has used until now."""
        for process in self.processes:
            process.send_signal(signal.SIGUSR1)
        return self.hear()

    def _heard(self, process: subprocess.Popen[str]) -> Reading:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            said = self.log.read_text(errors="replace").splitlines()[-5:]
            raise WorkerEnded(
                f"code {process.wait()}; the last was: {' / '.join(said)}"
            )
        return read(line)


@contextmanager
def working(program: Program, logs: Path, processes: int = 1) -> Iterator[Crew]:
    path = logs / f"{program.group}.log"
    with ExitStack() as stack:
        log = stack.enter_context(path.open("ab"))
        running = [
            stack.enter_context(_running(program, log.fileno()))
            for _ in range(processes)
        ]
        yield Crew(processes=running, log=path)


@contextmanager
def _running(program: Program, log: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", *program.arguments],
        env=program.environment,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    ) as process:
        # Whoever waits for its readings would wait for ever for one that is stuck.
        patience = threading.Timer(_PATIENCE, process.kill)
        patience.start()
        try:
            yield process
            process.terminate()
            process.wait(60)
        finally:
            patience.cancel()
            process.kill()


def ours(stage: Stage, topic: Topic, *, count: int = 0, null: bool = False) -> Program:
    return Program(
        name="keyrelay",
        group=topic.ours,
        arguments=[
            "tests.bench.kafka.ours",
            f"--count={count}",
            *(["--null"] if null else []),
        ],
        environment=stage.reading(topic).environment(),
    )


def theirs(
    stage: Stage, topic: Topic, does: str, *, count: int = 0, at_once: int = 1
) -> Program:
    mails, messages = stage.sinks.mails.address, stage.sinks.messages
    group = f"{topic.theirs}{at_once}"  # each reads all there is
    arguments = {
        "broker": stage.broker,
        "topic": topic.name,
        "group": group,
        "does": does,
        "count": count,
        "at-once": at_once,
        "host": mails.host,
        "port": mails.port,
        "username": mails.account.username,
        "ca-file": stage.sinks.ca_file,
        "endpoint": messages.endpoint,
        "queue-url": messages.queue_url("theirs"),
    }
    named = [f"--{name}={value}" for name, value in arguments.items()]
    return Program(
        name="FastStream",
        group=group,
        arguments=["tests.bench.kafka.theirs", *named],
        environment={**os.environ, PASSWORD: mails.account.password},
        members=at_once,
    )
