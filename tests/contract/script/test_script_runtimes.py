"""Runtimes: what pip and npm prepare for scripts, from a registry on loopback."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keyrelay.dispatchers.script.ending import Exited
from keyrelay.dispatchers.script.interpreter import Interpreter, Language, node, python
from keyrelay.dispatchers.script.wall import find_wall
from keyrelay.services.runtimes.fitting import interpreter_with
from keyrelay.services.runtimes.prepared import PreparedRuntime, PreparedRuntimes
from keyrelay.services.runtimes.preparing import RuntimePreparing
from keyrelay.services.runtimes.wanted import NotPrepared, wanted_packages
from tests.contract.script.hosting import (
    CANARY,
    ROOMY,
    Ran,
    Site,
    a_run,
    ran,
)
from tests.contract.script.registry import Registry, an_archive, serving
from tests.samples import NOON
from tests.services import debian

pytest_plugins = ["tests.contract.script.script_fixtures"]

PYTHON, NODE = Language.PYTHON, Language.NODE


@dataclass(slots=True)
class Preparing:
    """Prepares runtimes from a registry; `lines` are what the installer has printed."""

    runtimes: PreparedRuntimes
    registry: Registry
    now: datetime = NOON
    lines: list[str] = field(default_factory=list)

    async def __call__(
        self, language: Language, *wanted: str
    ) -> tuple[PreparedRuntime, bool]:
        self.now += timedelta(seconds=1)
        preparing = RuntimePreparing(
            runtimes=self.runtimes,
            variables={**os.environ, **self.registry.variables, "NO_PROXY": "*"},
            now=lambda: self.now,
        )
        return await preparing.prepare(language, wanted, self.lines.append)

    async def refusal(self, language: Language, *wanted: str) -> str:
        with pytest.raises(NotPrepared) as refused:
            await self(language, *wanted)
        return str(refused.value)

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.runtimes.folder.iterdir()}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


@pytest.fixture
def preparing(tmp_path: Path, bwrap: Path, registry: Registry) -> Preparing:
    return Preparing(PreparedRuntimes(tmp_path / "runtimes"), registry)


@pytest.fixture
def javascript(preparing: Preparing) -> Preparing:
    """The same, where Node is."""
    if node() is None:
        pytest.skip("this machine has no node in PATH")
    debian.install("npm", package="npm")
    return preparing


async def a_script(code: str, prepared: PreparedRuntime, language: Language) -> Ran:
    """Run it with what was prepared, as a run of an analysis is."""
    interpreter = interpreter_with(language, prepared)
    assert interpreter is not None
    site = Site(find_wall(interpreter, launcher=python()), interpreter)
    name = "script.py" if language is PYTHON else "script.js"
    return await ran(a_run(code, interpreter, name=name), site, ROOMY)


async def test_a_script_for_python_finds_the_sdk_and_the_sdk_its_run(
    preparing: Preparing, registry: Registry, python_sdk: Path
) -> None:
    registry.add_wheels(python_sdk)
    code = """\
        from tagoio_sdk import Analysis

        def main(context, scope):
            context.log(context.environment[0]["value"], scope, context.analysis_id)

        Analysis.use(main)
    """

    prepared, _ = await preparing(PYTHON, *wanted_packages(PYTHON, []))
    result = await a_script(code, prepared, PYTHON)

    assert (result.ending.end, result.lines) == (
        Exited(0),
        [f"{CANARY} [] an-analysis"],
    )


@pytest.mark.parametrize(
    "found",
    [
        'const { Analysis } = require("@tago-io/sdk")',
        'import { Analysis } from "@tago-io/sdk"',
    ],
    ids=["required", "imported"],
)
async def test_a_script_for_node_finds_the_sdk_and_the_sdk_its_run(
    javascript: Preparing, registry: Registry, javascript_sdk: Path, found: str
) -> None:
    registry.add_modules(javascript_sdk / "node_modules")
    code = f"""{found}
        Analysis.use((context, scope) => {{
          const told = context.environment[0].value
          console.log(told, JSON.stringify(scope), context.analysis_id)
        }})
    """

    prepared, _ = await javascript(NODE, *wanted_packages(NODE, []))
    result = await a_script(code, prepared, NODE)

    assert (result.ending.end, result.lines) == (
        Exited(0),
        [f"{CANARY} [] an-analysis"],
    )


async def test_what_was_installed_is_recorded_with_its_digest(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first", "2.5", requires=["second"])
    registry.add_wheel("second")

    prepared, changed = await preparing(PYTHON, "first")

    assert changed
    found = {each.name: each for each in prepared.contents.packages}
    assert {name: each.version for name, each in found.items()} == {
        "first": "2.5",
        "second": "1.0",
    }
    wheel = registry.files["first-2.5-py3-none-any.whl"]
    assert found["first"].digest == hashlib.sha256(wheel).hexdigest()
    assert preparing.runtimes.current(PYTHON) == prepared


async def test_modules_are_recorded_with_their_digests(
    javascript: Preparing, registry: Registry
) -> None:
    registry.add_module("first", {"index.js": ""}, dependencies={"@of/second": "*"})
    registry.add_module("@of/second", {"index.js": ""})

    prepared, _ = await javascript(NODE, "first")

    found = [(each.name, each.version) for each in prepared.contents.packages]
    assert found == [("@of/second", "1.0.0"), ("first", "1.0.0")]
    assert all(each.digest.startswith("sha512-") for each in prepared.contents.packages)


async def test_a_script_cannot_change_what_was_prepared(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first")
    code = """\
        import first
        try:
            open(first.__file__, "w")
        except OSError as error:
            print(error.strerror)
    """

    prepared, _ = await preparing(PYTHON, "first")
    result = await a_script(code, prepared, PYTHON)

    assert result.lines == ["Read-only file system"]


async def test_the_same_packages_again_change_nothing(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first")

    before, _ = await preparing(PYTHON, "first")
    after, changed = await preparing(PYTHON, "first")

    assert (after, changed) == (before, False)
    assert preparing.names == {
        *("lock", "current-python"),
        *(before.folder.name, f"{before.folder.name}.json"),
    }


async def test_the_runtime_before_is_kept_and_no_older_one(
    preparing: Preparing, registry: Registry
) -> None:
    kept = []
    for version in ("1", "2", "3"):
        registry.add_wheel("first", version)
        prepared, changed = await preparing(PYTHON, f"first=={version}")
        assert changed
        kept.append(prepared.folder)

    assert [folder.exists() for folder in kept] == [False, True, True]
    current = preparing.runtimes.current(PYTHON)
    assert current is not None
    assert current.folder == kept[-1]


async def test_an_interpreter_that_was_looked_for_once_has_what_is_prepared_later(
    preparing: Preparing, registry: Registry
) -> None:
    code = "import first; print(first.NUMBER)"
    for number in ("1", "2", "3"):
        files = {"first.py": f"NUMBER = {number}"}
        registry.add_wheel("first", number, files)
    before, _ = await preparing(PYTHON, "first==1")
    interpreter = interpreter_with(PYTHON, before)
    assert interpreter is not None
    site = Site(find_wall(interpreter, launcher=python()), interpreter)

    said = await ran(a_run(code, interpreter), site, ROOMY)
    for number in ("2", "3"):
        await preparing(PYTHON, f"first=={number}")
    later = await ran(a_run(code, interpreter), site, ROOMY)

    assert not before.folder.exists()
    assert (said.lines, later.lines) == (["1"], ["3"])


async def test_what_fails_leaves_the_one_in_use_as_it_is(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first")
    before, _ = await preparing(PYTHON, "first")

    said = await preparing.refusal(PYTHON, "absent")

    assert said == (
        "the packages were not installed: Could not find a version that satisfies the"
        " requirement absent (from versions: none)"
    )
    assert preparing.runtimes.current(PYTHON) == before
    assert not any(name.startswith(".") for name in preparing.names)


async def test_a_module_that_is_not_there_is_told(javascript: Preparing) -> None:
    said = await javascript.refusal(NODE, "absent")

    assert said.startswith("the packages were not installed: ")
    assert "absent" in said
    assert javascript.runtimes.current(NODE) is None


async def test_a_registry_that_is_not_reached_is_told_without_its_password(
    preparing: Preparing, registry: Registry
) -> None:
    registry.url = f"http://someone:{CANARY}@127.0.0.1:1"

    said = await preparing.refusal(PYTHON, "first")

    assert said.endswith("; the registry could not be reached")
    assert CANARY not in said


async def test_what_is_another_archive_than_the_registry_says_is_refused(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first")
    digest = "0" * 64

    said = await preparing.refusal(PYTHON, f"first==1.0 --hash=sha256:{digest}")

    assert "HASHES" in said


def builds_itself(url: str) -> bytes:
    """Return an archive of source, whose build would be seen by the registry."""
    asks = f"import urllib.request\nurllib.request.urlopen({f'{url}/ran'!r})\n"
    project = (
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
        "backend-path = ['.']\n[project]\nname = 'source'\nversion = '1.0'\n"
    )
    files = {"backend.py": asks, "setup.py": asks, "pyproject.toml": project}
    content = {path: text.encode() for path, text in files.items()}
    return an_archive(content, "source-1.0")


Adding = Callable[[Registry], None]


def of_source(registry: Registry) -> None:
    registry.files["source-1.0.tar.gz"] = builds_itself(registry.url)
    registry.add_wheel("first", requires=["source"])


def of_source_by_its_address(registry: Registry) -> None:
    registry.files["source-1.0.tar.gz"] = builds_itself(registry.url)
    address = f"source @ {registry.url}/file/source-1.0.tar.gz"
    registry.add_wheel("first", requires=[address])


@pytest.mark.parametrize("add", [of_source, of_source_by_its_address])
async def test_what_has_to_be_built_is_refused_and_not_built(
    preparing: Preparing, registry: Registry, add: Adding
) -> None:
    add(registry)

    said = await preparing.refusal(PYTHON, "first")

    assert said.startswith("the packages were not installed: ")
    assert "/ran" not in registry.paths
    assert preparing.runtimes.current(PYTHON) is None


def programs_in(folder: Path) -> dict[str, str]:
    return {path.name: os.path.realpath(path) for path in folder.iterdir()}


async def test_nothing_of_a_wheel_is_run_while_it_is_installed(
    preparing: Preparing, registry: Registry
) -> None:
    asks = f"import urllib.request; urllib.request.urlopen({f'{registry.url}/ran'!r})"
    registry.add_wheel(
        "first",
        files={
            "first.pth": asks,
            "sitecustomize.py": asks,
            "first-1.0.data/scripts/python": "#!/bin/sh\n",
            "first-1.0.data/data/pyvenv.cfg": "include-system-site-packages = true\n",
        },
    )

    prepared, _ = await preparing(PYTHON, "first")

    assert "/ran" not in registry.paths
    programs = prepared.folder / "bin"
    assert programs_in(programs) == {"python": str(python().program)}
    assert "= false" in (prepared.folder / "pyvenv.cfg").read_text()


async def test_no_script_of_a_module_is_run_while_it_is_installed(
    javascript: Preparing, registry: Registry
) -> None:
    asks = f"fetch('{registry.url}/ran')"
    names = ("preinstall", "install", "postinstall", "prepare")
    scripts = dict.fromkeys(names, "/usr/bin/node ran.js")
    registry.add_module("first", {"ran.js": asks, "index.js": ""}, scripts=scripts)

    prepared, _ = await javascript(NODE, "first")

    assert "/ran" not in registry.paths
    assert (prepared.folder / "node_modules" / "first" / "ran.js").is_file()


PRYING_PIP = """\
import json, os, sys
arguments = sys.argv[1:]
print("environment", *sorted(os.environ))
for path in {paths!r}:
    print(os.path.exists(path))
report = arguments[arguments.index("--report") + 1]
with open(report, "w") as file:
    json.dump({{"install": []}}, file)
"""


async def test_an_installer_sees_neither_our_environment_nor_our_files(
    preparing: Preparing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text(CANARY)
    paths = [str(key), f"/proc/{os.getpid()}/environ", str(tmp_path / "beside")]
    pip = tmp_path / "beside" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text(PRYING_PIP.format(paths=paths[:2]))
    monkeypatch.syspath_prepend(pip.parent)
    monkeypatch.setenv("KEYRELAY_KEY", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)

    await preparing(PYTHON, "first")

    _, environment, *seen = preparing.lines
    assert seen == ["False", "False"]
    assert {*environment.split()[1:]} <= {
        *("HOME", "LANG", "PATH", "PYTHONUNBUFFERED", "TMPDIR", "PWD", "LC_CTYPE"),
        *("NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"),
        *("https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "PIP_CERT"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "PIP_CONFIG_FILE"),
    }


async def test_two_at_a_time_are_refused(
    preparing: Preparing, registry: Registry
) -> None:
    with preparing.runtimes.preparing():
        said = await preparing.refusal(PYTHON, "first")

    assert said == "another process prepares a runtime; wait until it has ended"
    assert registry.paths == set()


async def test_a_runtime_of_another_python_is_not_used_and_is_made_anew(
    preparing: Preparing, registry: Registry
) -> None:
    registry.add_wheel("first")
    before, _ = await preparing(PYTHON, "first")
    program = before.folder / "bin" / "python"
    program.unlink()
    program.symlink_to("/nonexistent/python")

    bare: Interpreter | None = interpreter_with(PYTHON, before)
    after, changed = await preparing(PYTHON, "first")

    assert bare == python()
    assert changed
    assert after.folder != before.folder
