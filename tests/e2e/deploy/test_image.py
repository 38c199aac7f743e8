"""The image: what chart and compose file take for granted of it."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from keyrelay.app.settings import Settings
from tests.e2e.deploy.chart import Release, variables

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Pair each instruction with what follows it, arguments at their defaults."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for name, default in re.findall(r"^ARG (\w+)=(.*)$", text, re.M):
        text = text.replace(f"${{{name}}}", default)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def last(instructions: list[tuple[str, str]], wanted: str) -> str:
    return [rest for word, rest in instructions if word == wanted][-1]


def test_it_runs_as_the_user_that_all_else_expects(
    instructions: list[tuple[str, str]], release: Release
) -> None:
    user, group = last(instructions, "USER").split(":")
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    assert int(user) > 0
    assert composed["x-keyrelay"]["user"] == f"{user}:{group}"
    for pod in release.pods():
        context = pod["spec"]["securityContext"]
        assert (context["runAsUser"], context["fsGroup"]) == (int(user), int(group))


def test_arguments_are_those_of_the_command(
    instructions: list[tuple[str, str]],
) -> None:
    assert json.loads(last(instructions, "ENTRYPOINT")) == ["keyrelay"]


def test_its_data_directory_is_the_one_that_is_mounted(
    instructions: list[tuple[str, str]], release: Release
) -> None:
    home = last(instructions, "VOLUME")

    assert f"KEYRELAY_HOME={home}" in last(instructions, "ENV")
    assert variables(release.worker())["KEYRELAY_HOME"] == home


def test_it_is_built_on_a_version(instructions: list[tuple[str, str]]) -> None:
    for word, rest in instructions:
        assert word != "FROM" or ":" in rest.split()[0]


def test_its_health_is_asked_at_the_workers_own_probes(
    instructions: list[tuple[str, str]],
) -> None:
    host, _, port = Settings.model_fields["probes"].default.rpartition(":")

    assert f"'{host}', {port}" in last(instructions, "HEALTHCHECK")
    assert "/healthz" in last(instructions, "HEALTHCHECK")


def test_all_that_is_installed_is_pinned_by_hash() -> None:
    pinned = (DEPLOY / "requirements.txt").read_text()
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    found = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", pinned, re.M))

    assert pinned.count("--hash=sha256:") >= len(found) > len(wanted)
    assert [str(each) for each in wanted if not _satisfies(found, each)] == []
    assert "://" not in pinned + (DEPLOY / "requirements-build.txt").read_text()


def _satisfies(found: dict[str, str], wanted: Requirement) -> bool:
    return wanted.name in found and wanted.specifier.contains(found[wanted.name])
