"""axe: what tells whether a page can be used by everyone (WCAG), from npm."""

from pathlib import Path

from tests.services import npm

NAME = "axe"

_VERSION = "4.14.1"
_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    script = _script(cache)
    return script if script.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    script = _script(cache)
    print(f"{NAME}: fetching {_VERSION} with npm into {script.parent}", flush=True)
    npm.unpack(f"axe-core@{_VERSION}", "package/axe.min.js", script, _SHA256)
    return script


def _script(cache: Path) -> Path:
    return cache / f"axe-{_VERSION}" / "axe.min.js"
