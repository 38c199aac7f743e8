"""Fixtures: processes that answer the console, and people who are signed in to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.console.site import Prepared, Site, Visitor, serving, with_tokens
from tests.installed.home import Home

SignIn = Callable[[str], Visitor]


@pytest.fixture(scope="session")
def prepared(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """What is copied: to make tokens takes its time."""
    return with_tokens(original.copied(tmp_path_factory.mktemp("prepared") / "home"))


@pytest.fixture(scope="module")
def site(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One for all tests of a module: what they make has names of its own."""
    with serving(prepared.copied(tmp_path_factory.mktemp("site") / "home")) as site:
        yield site


@pytest.fixture
def own_site(prepared: Prepared, tmp_path: Path) -> Iterator[Site]:
    """One of the test's own, with nothing in it."""
    with serving(prepared.copied(tmp_path / "console")) as site:
        yield site


@pytest.fixture(scope="module")
def signed_in(site: Site) -> SignIn:
    """Return a browser, new at each call, signed in with the token of that level."""
    return site.signed_in


@pytest.fixture(scope="module")
def visitor(site: Site) -> Visitor:
    """A browser of all tests of the module, signed in with the full token."""
    return site.signed_in("full")
