"""Fixtures: an API process, and a token that may do all that a profile's can."""

from collections.abc import Iterator

import pytest

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home


@pytest.fixture
def api(home: Home) -> Iterator[Api]:
    with answering(home) as running:
        yield running.with_token(token_of(home, "full"))
