"""Bubblewrap: the wall around hosted scripts."""

from pathlib import Path

from tests.services import debian, program

NAME = "bubblewrap"

_PACKAGE = "bubblewrap"


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("bwrap")


def install(cache: Path) -> Path:
    return debian.install("bwrap", package=_PACKAGE)
