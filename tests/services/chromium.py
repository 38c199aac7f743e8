"""Chromium: the browser in which the console is tried, Debian's own."""

from pathlib import Path

from tests.services import debian, program

NAME = "Chromium"

_PACKAGE = "chromium"


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("chromium")


def install(cache: Path) -> Path:
    return debian.install("chromium", package=_PACKAGE)
