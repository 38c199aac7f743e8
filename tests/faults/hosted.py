"""Hosted: an analysis whose script tells a witness of each run, and workers of it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.contract.script.hosting import wait_for_end
from tests.faults.witness import SCRIPT, Witness
from tests.installed.api import ANY_PORT
from tests.installed.command import Command
from tests.installed.home import Home
from tests.services.deadline import met

LEASE = timedelta(seconds=2)
WITHIN = timedelta(seconds=60)
OVER = {"done", "failed"}
ALLOW: Mapping[str, object] = {
    "name": "analyses may use secrets",
    "targets": [["analysis"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}

_NAME = "tell"
_PATIENCE = timedelta(seconds=10)

Document = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    home: Home
    witness: Witness
    analysis: str

    def ask(self, name: str) -> str:
        """Ask for a run by that name, and return its id."""
        scope = json.dumps([{"variable": name}])
        ask = ("analysis", "run", _NAME, "--scope", "-")
        return self.home.run(*ask, given=scope).strip()

    @contextmanager
    def performing(self, command: str = "worker", **settings: str) -> Iterator[Command]:
        """Run what performs runs, and give it once it has started."""
        under = self.home.under({**ANY_PORT, **settings})
        with under.running(command) as running:
            running.await_said("worker started")
            yield running

    def runs(self) -> list[Document]:
        return listed(self.home, "analysis", "runs", _NAME)

    def run(self, id_: str) -> Document:
        [run] = [each for each in self.runs() if each["id"] == id_]
        return run

    def await_over(self, within: timedelta = WITHIN) -> bool:
        """Return once all runs are over, or false when the time is."""
        return met(lambda: {run["state"] for run in self.runs()} <= OVER, within)

    def attempts(self) -> list[Document]:
        return listed(self.home, "attempt", "list")

    def releases(self) -> list[Document]:
        return listed(self.home, "audit", "list", "--kind", "release")


def new_hosted(path: Path, witness: Witness, settings: Mapping[str, str]) -> Hosted:
    hosting = {"KEYRELAY_LEASE_SECONDS": str(LEASE.total_seconds())}
    home = Home(path=path, settings={**hosting_for(witness), **hosting, **settings})
    path.parent.mkdir(parents=True, exist_ok=True)
    home.run("init", "--no-token")
    home.run(
        *("secret", "create", "--key", "password", "--type", "text", "--tag", "a=b"),
        *("--value-file", "-"),
        given="a secret of scripts",
    )
    home.create("policy", ALLOW)
    analysis = upload(home, _NAME, SCRIPT)
    return Hosted(home=home, witness=witness, analysis=analysis)


def hosting_for(witness: Witness) -> Mapping[str, str]:
    """Return the settings of what performs runs whose scripts reach that witness."""
    return {"KEYRELAY_ANALYSES": "hosted", "KEYRELAY_API_URL": witness.url}


def upload(home: Home, name: str, code: str) -> str:
    """Create an analysis of that script, and return its id."""
    analysis = home.create("analysis", {"name": name, "runtime": "python-rt2025"})
    script = home.path.parent / f"{name}.py"
    script.write_text(code)
    home.run("analysis", "upload", name, script)
    return analysis


def listed(home: Home, *command: str) -> list[Document]:
    found = home.read(*command)
    assert isinstance(found, list)
    return found


@contextmanager
def all_end(worker: Command) -> Iterator[None]:
    """See to it that nothing is left of what it had started when the block began."""
    inside = [*_opened(_children(worker.process.pid))]
    try:
        yield
        assert wait_for_end(inside, _PATIENCE), "a sandbox outlives its worker"
    finally:
        for pidfd in inside:
            os.close(pidfd)


def _children(process: int) -> Iterator[int]:
    """Return the processes that this one has started, and those that they have."""
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _children(child)


def _opened(processes: Iterator[int]) -> Iterator[int]:
    for each in processes:
        with suppress(ProcessLookupError):
            yield os.pidfd_open(each)


def repeating(attempts: Sequence[Document]) -> set[object]:
    """Return the runs of which a record says that an attempt before it was cut."""
    return {each["trigger"] for each in attempts if each["repeats"]}
