"""TagoIO wheels: the official client for Python and what it needs, from PyPI."""

import re
import sys
import tempfile
from pathlib import Path

from tests.services import cache, program
from tests.services.cache import building

NAME = "TagoIO SDK for Python"

# The newest is fetched: scripts are written with what people install today.
_OLDEST = (5, 1, 8)
_WANTED = f"tagoio-sdk>={'.'.join(map(str, _OLDEST))}"


def version() -> str:
    there = _version(cache.location())
    return ".".join(map(str, there)) if there else "the newest"


def installed(cache: Path) -> Path | None:
    """Return the folder with the wheels, if they are new enough."""
    return _folder(cache) if _version(cache) >= _OLDEST else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: fetching {_WANTED} with pip into {target}", flush=True)
    # A virtual environment for pip, which the one of the tests may lack.
    with tempfile.TemporaryDirectory() as folder, building(target) as unfinished:
        program.run([sys.executable, "-m", "venv", folder])
        python = Path(folder, "bin", "python")
        download = ["download", "--quiet", "--only-binary", ":all:"]
        where = ["--dest", str(unfinished), _WANTED]
        program.run([python, "-m", "pip", *download, *where])
    return target


def _version(cache: Path) -> tuple[int, ...]:
    for wheel in _folder(cache).glob("tagoio_sdk-*.whl"):
        return tuple(map(int, re.findall(r"\d+", wheel.name.split("-")[1])[:3]))
    return ()


def _folder(cache: Path) -> Path:
    """Return the folder for this version of Python: some wheels are made for one."""
    return cache / f"tagoio-wheels-{sys.version_info[0]}.{sys.version_info[1]}"
