"""Fixtures: `keyrelay up` that hosts scripts, and profiles that nothing is in."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.installed.api import Api, token_of
from tests.installed.home import Home
from tests.installed.hosting import hosting

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def hosted_home(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return original.copied(tmp_path_factory.mktemp("hosted") / "home")


@pytest.fixture(scope="module")
def hosted(hosted_home: Home, bwrap: Path) -> Iterator[Api]:
    """One for all tests of a module."""
    with hosting(hosted_home) as api:
        yield api


@pytest.fixture
def new_profile(hosted_home: Home) -> Callable[[], Home]:
    """Return the command line in a profile that is new."""

    def made() -> Home:
        name = f"profile-{next(_NUMBERS)}"
        hosted_home.run("profile", "create", name)
        return hosted_home.under({"KEYRELAY_PROFILE": name})

    return made


@pytest.fixture
def profile(new_profile: Callable[[], Home]) -> Home:
    return new_profile()


@pytest.fixture
def api(hosted: Api, profile: Home) -> Api:
    """The API with a token that may do all in that profile."""
    return hosted.with_token(token_of(profile, "full"))
