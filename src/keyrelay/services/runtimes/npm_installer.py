"""Npm: packages for Node, none of whose scripts is run, in a `node_modules`."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keyrelay.dispatchers.script.interpreter import SYSTEM, Interpreter, Language, node
from keyrelay.services.runtimes.installer import InstallerRun, Staging
from keyrelay.services.runtimes.prepared import InstalledPackage, read_made
from keyrelay.services.runtimes.wanted import NotPrepared

MODULES = "node_modules"
_SCRIPT = Path("bin", "npm-cli.js")


@dataclass(frozen=True, slots=True)
class NpmInstaller:
    """A directory of modules for the Node that is found in PATH."""

    language: Language = Language.NODE
    complaint: re.Pattern[str] = re.compile(
        r"npm (?:error|ERR!) (?:[0-9]{3} )?(?!code |A complete log)(.*)"
    )

    def lay_out(self, staging: Staging, wanted: Sequence[str]) -> InstallerRun:
        interpreter = node()
        if interpreter is None:
            raise NotPrepared("there is no `node` in PATH; install it")
        found = next(_npms(interpreter), None)
        if found is None:
            raise NotPrepared("there is no `npm` in PATH; install it")
        staging.made.mkdir()
        (staging.made / "package.json").write_text('{"private": true}\n')
        beside = () if found.is_relative_to(SYSTEM) else (found,)
        arguments = [
            *("install", "--ignore-scripts", "--prefix", str(staging.made)),
            *("--cache", str(staging.work / "cache"), "--logs-max", "0"),
            *("--loglevel", "http", "--no-color", "--no-audit", "--no-fund"),
            *("--no-update-notifier", "--fetch-retries", "2", "--", *wanted),
        ]
        return InstallerRun(
            interpreter=replace(interpreter, trees=(*interpreter.trees, *beside)),
            driver="npm_run.js",
            order={"program": str(found / _SCRIPT), "arguments": arguments},
            environment={},
        )

    def finish(self, staging: Staging) -> Sequence[InstalledPackage]:
        # npm's own list of what there is; the other one names other systems', too.
        lock = json.loads(read_made(staging.made / MODULES / ".package-lock.json"))
        found = {_installed(path, each) for path, each in lock["packages"].items()}
        for path in staging.made.iterdir():
            if path.name != MODULES:
                path.unlink()
        # Links to programs of packages, which no script is meant to start.
        shutil.rmtree(staging.made / MODULES / ".bin", ignore_errors=True)
        return sorted(found, key=lambda each: (each.name, each.version))


def _installed(path: str, described: Mapping[str, object]) -> InstalledPackage:
    name = path.rpartition(f"{MODULES}/")[2]
    match described:
        case {"version": str(version), "integrity": str(integrity)}:
            return InstalledPackage(name=name, version=version, digest=integrity)
        case _:
            raise NotPrepared(
                f"{name} comes from no registry, which alone says what it must be"
            )


def _npms(interpreter: Interpreter) -> Iterator[Path]:
    """Yield the directories that npm is in, best first."""
    found = shutil.which("npm")
    named = [] if found is None else [Path(os.path.realpath(found)).parents[1]]
    beside = interpreter.program.parents[1] / "lib" / MODULES / "npm"
    yield from (each for each in (*named, beside) if (each / _SCRIPT).is_file())
