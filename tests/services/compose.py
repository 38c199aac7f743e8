"""Compose: it reads a compose file as it would to start it, and starts nothing."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services import debian, program

NAME = "Compose"

_PACKAGE = "docker-compose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """A program, not a server; it needs no Docker."""

    program: Path

    def config(self, file: Path) -> str:
        """Return the file with all that is merged into it, or raise."""
        ended = subprocess.run(
            [self.program, "--file", file, "config"],
            env=program.environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise ValueError(ended.stderr)
        return ended.stdout


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("docker-compose")


def install(cache: Path) -> Path:
    return debian.install("docker-compose", package=_PACKAGE)
