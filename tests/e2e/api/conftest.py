"""Fixtures: API processes, and a token that may do all that a profile's can."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """A home, and the value of a token that may do everything in its profile."""

    home: Home
    token: str

    def copied(self, path: Path) -> "Founded":
        return Founded(home=self.home.copied(path), token=self.token)


@pytest.fixture(scope="session")
def founded(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """What is copied: to make a token takes its time."""
    home = original.copied(tmp_path_factory.mktemp("founded") / "home")
    return Founded(home=home, token=token_of(home, "full"))


@pytest.fixture(scope="module")
def shared(founded: Founded, tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """One for all tests of a module, which leave nothing that others see."""
    return founded.copied(tmp_path_factory.mktemp("shared") / "home")


@pytest.fixture(scope="module")
def shared_api(shared: Founded) -> Iterator[Api]:
    with answering(shared.home) as running:
        yield running.with_token(shared.token)


@pytest.fixture
def api(founded: Founded, tmp_path: Path) -> Iterator[Api]:
    """One of its own, with nothing in it."""
    own = founded.copied(tmp_path / "founded")
    with answering(own.home) as running:
        yield running.with_token(own.token)
