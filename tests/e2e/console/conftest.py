"""Fixtures: processes that answer the console, and people who are signed in to it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.console.site import LEVELS, Site, Visitor
from tests.installed.api import answering, token_of
from tests.installed.home import Home
from tests.installed.together import together

SignIn = Callable[[str], Visitor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A home, and the values of its tokens of each level."""

    home: Home
    tokens: Mapping[str, str]


@pytest.fixture(scope="session")
def prepared(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """What is copied: to make tokens takes its time."""
    home = original.copied(tmp_path_factory.mktemp("prepared") / "home")
    values = together(partial(token_of, home, level) for level in LEVELS)
    return Prepared(home=home, tokens=dict(zip(LEVELS, values, strict=True)))


@contextmanager
def serving(prepared: Prepared, path: Path) -> Iterator[Site]:
    """Run `keyrelay api` in a copy of the home at this path."""
    home = prepared.home.copied(path)
    with answering(home) as running:
        api = running.with_token(prepared.tokens["full"])
        site = Site(home=home, api=api, tokens=prepared.tokens)
        try:
            yield site
        finally:
            site.close()


@pytest.fixture(scope="module")
def site(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One for all tests of a module: what they make has names of its own."""
    with serving(prepared, tmp_path_factory.mktemp("site") / "home") as site:
        yield site


@pytest.fixture
def own_site(prepared: Prepared, tmp_path: Path) -> Iterator[Site]:
    """One of the test's own, with nothing in it."""
    with serving(prepared, tmp_path / "console") as site:
        yield site


@pytest.fixture(scope="module")
def signed_in(site: Site) -> SignIn:
    """Return a browser, new at each call, signed in with the token of that level."""
    return site.signed_in


@pytest.fixture(scope="module")
def visitor(site: Site) -> Visitor:
    """A browser of all tests of the module, signed in with the full token."""
    return site.signed_in("full")
