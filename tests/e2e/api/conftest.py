"""Fixtures: an API process, and a token that may do all that a profile's can."""

from collections.abc import Iterator

import pytest

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home


@pytest.fixture(scope="module")
def shared_home(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One for all tests of a module, which leave nothing that others see."""
    return original.copied(tmp_path_factory.mktemp("shared") / "home")


@pytest.fixture(scope="module")
def api(shared_home: Home) -> Iterator[Api]:
    with answering(shared_home) as running:
        yield running.with_token(token_of(shared_home, "full"))
