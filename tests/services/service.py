"""Service: what every file of this family offers."""

from pathlib import Path
from typing import Protocol

from tests.services import cache


class Unavailable(Exception):
    """The service cannot be had on this machine; the message says why."""


class Service(Protocol):
    """A module. A server's has a `running` besides, with arguments of its own; one of
    a program that ends by itself has a class of what it can do."""

    NAME: str

    def version(self) -> str:
        """Return the version that is installed, or that would be."""

    def installed(self, cache: Path) -> Path | None:
        """Return what is started, if it is already there."""

    def install(self, cache: Path) -> Path:
        """Fetch what is missing, or raise Unavailable."""


def find(service: Service) -> Path:
    """Return what is started, or raise Unavailable; nothing is fetched."""
    program = service.installed(cache.location())
    if program is None:
        raise Unavailable(f"{service.NAME} is missing: run `python -m tests.services`")
    return program
