"""Each command that something deployed runs is one that Keyrelay has."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.deploy.chart import Release
from tests.installed.forking import KEYRELAY

DEPLOY = Path(__file__).parents[3] / "deploy"


def composed() -> Iterator[str]:
    """Give the lines of the compose file's services that call Keyrelay."""
    for service in yaml.safe_load((DEPLOY / "compose.yaml").read_text())[
        "services"
    ].values():
        if service.get("image") == "keyrelay":
            yield " ".join(["keyrelay", *service.get("command", [])])
            script = service.get("entrypoint", [""])[-1]
            yield from script.replace("exec ", "").replace(" && ", "\n").splitlines()


@pytest.mark.parametrize("line", sorted({line for line in composed() if line}))
def test_a_line_of_the_compose_file_is_understood(line: str) -> None:
    understood(shlex.split(line)[1:])


def test_a_line_of_the_unit_is_understood() -> None:
    (started,) = [
        line.removeprefix("ExecStart=")
        for line in (DEPLOY / "keyrelay.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    ]

    understood(shlex.split(started)[1:])


def test_what_the_chart_runs_is_understood(release: Release) -> None:
    for container in release.containers():
        if container["name"] != "files":
            understood(container["args"])


def understood(arguments: list[str]) -> None:
    """See that it is, up to its last option; --help keeps it from being done."""
    ended = subprocess.run(
        [KEYRELAY, *arguments, "--help"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_nothing_deployed_prints_a_token_into_its_log() -> None:
    """What `init` prints stands in a log wherever it is run by a machine."""
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    calls = [
        (path.name, line.strip())
        for path in files
        for line in path.read_text(errors="replace").splitlines()
        if re.search(r"(keyrelay|args: \[) ?init\b", line) and "`" not in line
    ]

    assert {name for name, _ in calls} == {
        "compose.yaml",
        "keyrelay.service",
        "prepare.yaml",
    }
    assert [each for each in calls if "--no-token" not in each[1]] == []
