"""Kcat: a producer for Kafka that is not ours."""

from pathlib import Path

from tests.services import debian, program

NAME = "kcat"

_PACKAGE = "kcat"


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("kcat")


def install(cache: Path) -> Path:
    return debian.install("kcat", package=_PACKAGE)
