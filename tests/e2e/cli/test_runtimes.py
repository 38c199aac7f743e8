"""Runtimes: what the command tells of interpreters and of the wall around scripts."""

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.script.hosting import processes_of
from tests.contract.script.registry import Registry, serving
from tests.e2e.cli.command import Keyrelay
from tests.installed.home import Home


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with serving() as registry:
        for name, value in registry.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "*")
        yield registry


@pytest.fixture
def wheels(registry: Registry, bwrap: Path) -> Registry:
    """A registry with an SDK, as far as pip can tell, and a wall to install behind."""
    registry.add_wheel("tagoio_sdk", "9.0")
    registry.add_wheel("first", "1.5")
    return registry


def by_language(keyrelay: Keyrelay) -> dict[str, dict[str, object]]:
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


def test_what_was_prepared_is_told_with_versions_and_digests(
    keyrelay: Keyrelay, wheels: Registry
) -> None:
    before = by_language(keyrelay)["python"]

    said = keyrelay("runtime", "prepare", "python", "--package", "first==1.5")
    python = by_language(keyrelay)["python"]

    assert (said.code, said.out) == (0, "first 1.5\ntagoio_sdk 9.0\n")
    assert before["prepared"] is None
    assert "`keyrelay runtime prepare python`" in str(before["remark"])
    prepared = python["prepared"]
    assert isinstance(prepared, dict)
    packages = {each["name"]: each for each in prepared["packages"]}
    assert packages["first"]["version"] == "1.5"
    assert len(packages["first"]["sha256"]) == 64
    assert python["remark"] is None
    assert Path(str(python["interpreter"])) == Path(sys.executable).resolve()
    assert "first 1.5, tagoio_sdk 9.0" in keyrelay("runtime", "list").out


def test_preparing_again_says_that_nothing_has_changed(
    keyrelay: Keyrelay, wheels: Registry
) -> None:
    first = keyrelay("runtime", "prepare", "python", "--json").document
    second = keyrelay("runtime", "prepare", "python", "--json").document

    assert (first["changed"], second["changed"]) == (True, False)
    assert first["folder"] == second["folder"]


def test_a_requirements_file_is_installed_as_it_says(
    keyrelay: Keyrelay, wheels: Registry
) -> None:
    wheels.add_wheel("first", "2.0")
    file = keyrelay.write("requirements.txt", "first<2  # for now\n")

    said = keyrelay("runtime", "prepare", "python", "--requirements", file)

    assert "first 1.5\n" in said.out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("python --package ./first", "takes the name of a package"),
        ("python --package absent", "the requirement absent (from versions: none)"),
        ("node --requirements {file}", "--requirements is for python"),
        ("python --requirements {file}", "line 1 of the requirements is not taken"),
        ("python --requirements /nowhere", "/nowhere cannot be read"),
    ],
)
def test_what_cannot_be_prepared_is_refused_in_a_sentence(
    keyrelay: Keyrelay, wheels: Registry, line: str, sentence: str
) -> None:
    file = keyrelay.write("requirements.txt", "--no-binary :all:\n")

    said = keyrelay("runtime", "prepare", *line.format(file=file).split())

    assert said.code == 1
    assert said.is_one_sentence
    assert sentence in said.err


def test_without_a_wall_nothing_is_prepared(
    keyrelay: Keyrelay, wheels: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    said = keyrelay("runtime", "prepare", "python")

    assert said.is_one_sentence
    assert "apt-get install bubblewrap" in said.err
    assert wheels.paths == set()


def test_no_key_and_no_database_is_needed(
    keyrelay: Keyrelay, wheels: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = keyrelay.home.parent / "bare"
    monkeypatch.setenv("KEYRELAY_HOME", str(home))

    said = keyrelay("runtime", "prepare", "python")

    assert said.code == 0
    assert [path.name for path in home.iterdir()] == ["runtimes"]
    assert home.stat().st_mode & 0o077 == 0


def test_one_that_is_killed_leaves_nothing_in_use_and_nothing_running(
    keyrelay: Keyrelay, wheels: Registry
) -> None:
    home = Home(path=keyrelay.home, settings={**wheels.variables, "NO_PROXY": "*"})
    wheels.open.clear()
    with home.running("runtime", "prepare", "python") as process:
        assert wheels.asked.wait(60)
        process.send(signal.SIGKILL)
        process.end()
    left = [path.name for path in (keyrelay.home / "runtimes").iterdir()]
    unfinished = next(name for name in left if name.startswith(".preparing-"))
    before = by_language(keyrelay)["python"]["prepared"]
    wheels.open.set()

    said = keyrelay("runtime", "prepare", "python", "--json")

    assert before is None
    assert said.document["changed"] is True
    assert processes_of(unfinished) == []
    assert not (keyrelay.home / "runtimes" / unfinished).exists()
