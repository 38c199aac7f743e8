"""TagoIO SDK: the official client for JavaScript, from npm."""

import json
import re
from pathlib import Path

from tests.services import cache, debian, program
from tests.services.cache import building

NAME = "TagoIO SDK"

_PACKAGE = "@tago-io/sdk"
# The newest is fetched: an API that serves it must serve what people install today.
_OLDEST = (12, 3, 1)
_WANTED = f"{_PACKAGE}@>={'.'.join(map(str, _OLDEST))}"


def version() -> str:
    return _version(cache.location()) or "the newest"


def installed(cache: Path) -> Path | None:
    """Return the folder in which Node finds the package, if it is new enough."""
    there = _version(cache)
    numbers = tuple(map(int, re.findall(r"\d+", there or "")[:3]))
    return _folder(cache) if numbers >= _OLDEST else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    npm = debian.install("npm", package="npm")
    target = _folder(cache)
    print(f"{NAME}: fetching {_WANTED} with npm into {target}", flush=True)
    with building(target) as unfinished:
        (unfinished / "package.json").write_text('{"private": true}')
        quiet = ["--silent", "--no-audit", "--no-fund"]
        program.run([npm, "install", _WANTED, *quiet], directory=unfinished)
    return target


def _version(cache: Path) -> str | None:
    package = _folder(cache) / "node_modules" / _PACKAGE / "package.json"
    if not package.is_file():
        return None
    told: str = json.loads(package.read_text())["version"]
    return told


def _folder(cache: Path) -> Path:
    return cache / "tagoio-sdk"
