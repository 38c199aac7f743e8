"""axe: what tells whether a page can be used by everyone (WCAG), from npm."""

import hashlib
import tarfile
from pathlib import Path

from tests.services import debian, program
from tests.services.cache import building
from tests.services.service import Unavailable

NAME = "axe"

_VERSION = "4.14.1"
_PACKAGE = "axe-core"
_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_SCRIPT = "package/axe.min.js"


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    script = _folder(cache) / "axe.min.js"
    return script if script.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    npm = debian.install("npm", package="npm")
    target = _folder(cache)
    print(f"{NAME}: fetching {_VERSION} with npm into {target}", flush=True)
    with building(target) as unfinished:
        wanted = f"{_PACKAGE}@{_VERSION}"
        program.run([npm, "pack", wanted, "--silent"], directory=unfinished)
        (archive,) = unfinished.glob("*.tgz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
            raise Unavailable(f"{wanted} is not what its checksum says")
        with tarfile.open(archive) as files:
            script = files.extractfile(_SCRIPT)
            assert script is not None
            (unfinished / "axe.min.js").write_bytes(script.read())
        archive.unlink()
    return target / "axe.min.js"


def _folder(cache: Path) -> Path:
    return cache / f"axe-{_VERSION}"
