"""Runtimes: what the command tells of interpreters and of the wall around scripts."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay


def by_language(keyrelay: Keyrelay) -> dict[str, dict[str, str | None]]:
    told = keyrelay("runtime", "list", "--json").document["runtimes"]
    assert isinstance(told, list)
    return {each["language"]: each for each in told}


def test_the_interpreter_that_runs_keyrelay_is_told_with_its_wall(
    keyrelay: Keyrelay, bwrap: Path
) -> None:
    python = by_language(keyrelay)["python"]

    assert Path(str(python["interpreter"])) == Path(sys.executable).resolve()
    assert str(python["wall"]).startswith(bwrap.name.replace("bwrap", "bubblewrap"))
    assert python["refusal"] is None


def test_without_a_wall_the_package_to_install_is_told(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "node").symlink_to(shutil.which("true") or "/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))

    found = by_language(keyrelay)
    said = keyrelay("runtime", "list")

    assert {each["wall"] for each in found.values()} == {None}
    assert "apt-get install bubblewrap" in str(found["python"]["refusal"])
    assert "apt-get install bubblewrap" in said.err
    assert said.code == 0


def test_an_interpreter_that_is_not_there_is_told(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    node = by_language(keyrelay)["node"]

    assert node["interpreter"] is None
    assert node["refusal"] == "there is no `node` in PATH; install it"
