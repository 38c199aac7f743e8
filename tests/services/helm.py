"""Helm: it renders the chart, and refuses what its schema does not know."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services import golang, program
from tests.services.cache import building

NAME = "Helm"

_VERSION = "3.16.4"
_SOURCE = f"helm.sh/helm/v3/cmd/helm@v{_VERSION}"


class Refused(Exception):
    """Helm would not; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """A program, not a server: it asks no cluster, and is told which version to be."""

    program: Path
    kubernetes: str

    def lint(self, chart: Path, values: Sequence[Path]) -> str:
        return self._run("lint", "--strict", *_given(values), chart)

    def template(self, chart: Path, values: Sequence[Path]) -> str:
        """Return the manifests of a release called `relay`, in the namespace `mail`."""
        named = ("--namespace", "mail", "relay")
        return self._run("template", *named, chart, *_given(values))

    def _run(self, *words: str | Path) -> str:
        ended = subprocess.run(
            [self.program, *words, "--kube-version", self.kubernetes],
            env=program.environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise Refused(ended.stdout + ended.stderr)
        return ended.stdout


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    built = _folder(cache) / "helm"
    return built if built.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    go = golang.compiler()
    target = _folder(cache)
    print(f"{NAME}: building {_VERSION} with go into {target}", flush=True)
    with building(target) as unfinished:
        program.run([go, "install", _SOURCE], extra={"GOBIN": str(unfinished)})
    return target / "helm"


def _given(values: Sequence[Path]) -> list[str | Path]:
    return [word for file in values for word in ("--values", file)]


def _folder(cache: Path) -> Path:
    return cache / f"helm-{_VERSION}"
