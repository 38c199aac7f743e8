"""External runs: scripts of both of TagoIO's clients, unmodified, handed their runs."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest

from tests.installed.api import Api, answering
from tests.installed.external import (
    ALLOW,
    External,
    new_analysis,
    new_secret,
    run,
    shown,
)
from tests.sdk.client import running
from tests.sdk.conftest import NewParts, Served, home_on
from tests.services import deadline, debian

WITHIN = timedelta(seconds=30)
SECRET = "hunter2 is no password"
SCOPE = [{"variable": "temperature", "value": 9.5, "unit": "°C"}]
PYTHON = """
import json, sys
from tagoio_sdk import Analysis

def script(context, scope):
    print(json.dumps({"environment": context.environment, "scope": scope}))
    context.log("it is", scope[0]["value"], "degrees")
    context.log("of", context.analysis_id)

Analysis.use(analysis=script, params={"token": sys.argv[1]})
"""
JAVASCRIPT = """
import { Analysis } from "@tago-io/sdk";

async function script(context, scope) {
  console.log(JSON.stringify({ environment: context.environment, scope }));
  context.log("it is", scope[0].value, "degrees");
  await new Promise((over) => setTimeout(over, 500));
  context.log("of", context.analysis_id);
}

Analysis.use(script, { token: process.argv[2] });
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script elsewhere, as a process of its own."""

    process: Popen[str]

    def received(self) -> dict[str, object]:
        """Return what its next run was given, whatever else it prints before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                received = json.loads(line)
                assert isinstance(received, dict)
                return received
        raise EOFError


@pytest.fixture(params=["python", "javascript"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[str | Path]:
    """Return what starts a script; its token is the one argument more."""
    if request.param == "python":
        script = tmp_path / "script.py"
        script.write_text(PYTHON)
        return [sys.executable, "-u", script]
    package: Path = request.getfixturevalue("javascript_sdk")
    (tmp_path / "node_modules").symlink_to(package / "node_modules")
    script = tmp_path / "script.mjs"
    script.write_text(JAVASCRIPT)
    return [debian.install("node", package="nodejs"), script]


@pytest.fixture
def processes(tmp_path: Path, new_parts: NewParts) -> Iterator[tuple[Api, Api]]:
    """Two of the API: what is asked of one is handed out by the other."""
    home = home_on(tmp_path / "home", new_parts())
    with answering(home) as one, answering(home) as other:
        token = Served(home=home, url=one.url).new_token(profile="default")
        yield one.with_token(token), other.with_token(token)


@contextmanager
def listening(
    command: Sequence[str | Path], analysis: External, api: Api
) -> Iterator[Script]:
    with running([*command, analysis.token], api.url) as process:
        yield Script(process)


def console(api: Api, analysis: External) -> list[str]:
    """Return its lines, without their times."""
    info = api.get(f"/analysis/{analysis.id}").result
    assert isinstance(info, dict)
    return [str(line) for line in info["console"]]


def test_a_script_is_handed_its_run_and_its_lines_come_back(
    processes: tuple[Api, Api], command: Sequence[str | Path]
) -> None:
    one, other = processes
    variables = [{"key": "zone", "value": "cold"}, {"key": "b_key", "value": 7}]
    analysis = new_analysis(one, "cooling", variables=variables)
    new_secret(one, "b_key", "it is replaced")
    new_secret(one, "a_key", SECRET)
    one.ask("POST", "/am", ALLOW)
    before = run(one, analysis, SCOPE)
    with listening(command, analysis, other) as script:
        early = script.received()
        again = run(one, analysis, SCOPE)
        received = script.received()
        words = ["it is 9.5 degrees", f"of {analysis.id}"]

        def said() -> list[str]:
            lines = console(one, analysis)
            return [word for line in lines for word in words if word in line]

        assert deadline.met(lambda: len(said()) == 4, WITHIN), console(one, analysis)

    assert early == received
    assert received["scope"] == SCOPE
    assert received["environment"] == [
        {"key": "a_key", "value": SECRET},
        {"key": "zone", "value": "cold"},
        {"key": "b_key", "value": 7},
    ]
    # In order within each run; JavaScript's second may begin before the first is over.
    assert (said()[0], said()[-1]) == (words[0], words[1])
    for id_ in (before, again):
        assert shown(one, analysis, id_)["state"] == "done"


def test_what_a_policy_takes_away_is_not_in_the_next_run(
    processes: tuple[Api, Api], command: Sequence[str | Path]
) -> None:
    one, other = processes
    analysis = new_analysis(one, "policies")
    new_secret(one, "a_key", SECRET)
    policy = one.ask("POST", "/am", ALLOW).field("am_id")
    with listening(command, analysis, other) as script:
        run(one, analysis, SCOPE)
        released = script.received()["environment"]
        one.ask("DELETE", f"/am/{policy}")
        run(one, analysis, SCOPE)
        denied = script.received()["environment"]

    assert released == [{"key": "a_key", "value": SECRET}]
    assert denied == []
