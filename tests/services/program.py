"""Program: one that this machine has, and a run of it that must succeed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from tests.services.service import Unavailable

# Servers live in sbin, which a user's PATH may lack; Go's own archive unpacks to the
# last one and leaves PATH to the reader.
_ALSO = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin")
# Debian keeps each version of PostgreSQL apart.
_VERSIONED = Path("/usr/lib/postgresql")
# These would turn another program's Python into ours.
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV")
_PATIENCE = timedelta(minutes=10)


def find(name: str) -> Path | None:
    found = shutil.which(name, path=_path())
    return Path(found) if found else None


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the machine's own, with the settings of pip and go, and `extra`."""
    inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**inherited, "PATH": _path(), **extra}


def run(
    command: Sequence[str | Path],
    *,
    directory: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Run it to its end, or raise Unavailable with the last line it said."""
    try:
        subprocess.run(
            command,
            cwd=directory,
            env=environment(extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=_PATIENCE.total_seconds(),
        )
    except subprocess.CalledProcessError as error:
        said = error.output.strip().splitlines() or ["(nothing)"]
        raise Unavailable(f"`{_shown(command)}` failed: {said[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{_shown(command)}` did not end in time") from error


def _shown(command: Sequence[str | Path]) -> str:
    return " ".join([Path(command[0]).name, *map(str, command[1:3])])


def _path() -> str:
    versions = sorted(map(str, _VERSIONED.glob("*/bin")), reverse=True)
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_ALSO, *versions])
