"""Start-up: what a command takes before and beside its work, and the whole demo."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta

from tests.bench.measure import Measure, Stopwatch
from tests.bench.sheet import Sheet

_RUNS = 7  # of which the one that took the least CPU counts
_KEYRELAY = (sys.executable, "-m", "keyrelay")
_COMMANDS = (
    "--help",
    "secret list",
    "secret list --json",
    "action list --json",
    "policy list --json",
    "dead-letter list --json",
)
_COMPLETED = ("keyrelay sec", "keyrelay secret li")


def sheets(_: argparse.Namespace) -> Iterator[Sheet]:
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as home:
        environment = os.environ | {"KEYRELAY_HOME": home}
        _run("init", environment)
        measures = [_least(command, environment) for command in _COMMANDS]
        measures += [_least("", _completing(environment, line)) for line in _COMPLETED]
        demo = Stopwatch(resource.RUSAGE_CHILDREN)
        _run("demo", os.environ)
        measures.append(demo.read("demo", 1))
    yield Sheet(
        title=f"Start-up: the least CPU of {_RUNS} runs of `python -m keyrelay …`",
        measures=measures,
        notes=[f"the demo took {measures[-1].wall.total_seconds():.0f} s"],
    )


def _least(command: str, environment: Mapping[str, str]) -> Measure:
    line = environment.get("COMP_WORDS")
    modules = _modules(command, environment)
    name = f"{command or f'TAB after `{line}`'}, {modules} modules"
    runs = [_timed(name, command, environment) for _ in range(_RUNS)]
    return min(runs, key=_cpu)


def _cpu(measure: Measure) -> timedelta:
    return measure.cpu


def _timed(name: str, command: str, environment: Mapping[str, str]) -> Measure:
    watch = Stopwatch(resource.RUSAGE_CHILDREN)
    _run(command, environment)
    return watch.read(name, 1)


def _modules(command: str, environment: Mapping[str, str]) -> int:
    """Return how many modules the command loads, as `-X importtime` counts them."""
    timing = dict(environment) | {"PYTHONPROFILEIMPORTTIME": "1"}
    lines = _run(command, timing).stderr.splitlines()
    return sum(line.startswith("import time:") for line in lines) - 1  # the heading


def _completing(environment: Mapping[str, str], line: str) -> Mapping[str, str]:
    """Return what bash sets to have the last word of the line completed."""
    return dict(environment) | {
        "_KEYRELAY_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }


def _run(
    command: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_KEYRELAY, *command.split()],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
