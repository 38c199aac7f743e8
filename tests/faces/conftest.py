"""Fixtures: one server, one browser, and a window for each way to look at pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.console.browser import Look, Window, browsing, window
from tests.e2e.console.site import Site, founded, serving
from tests.faces.pages import Furnished, furnished

Windows = Callable[[Look, str], Awaitable[Window]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """The cookies of two sessions: in the profile with everything, and an empty one."""

    full: str
    empty: str


@pytest.fixture(scope="session")
def everything(
    ca_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Furnished]:
    prepared = founded(tmp_path_factory.mktemp("faces") / "home", ca_file)
    with serving(prepared) as site:
        yield furnished(site)


@pytest.fixture(scope="session")
def site(everything: Furnished) -> Site:
    return everything.site


@pytest.fixture(scope="session")
def cookies(site: Site) -> Cookies:
    site.home.run("profile", "create", "empty")
    token = site.home.run(
        *("--profile", "empty", "token", "create", "all", "--permission", "full")
    )
    visitor = site.visitor()
    visitor.sign_in(token.strip())
    return Cookies(full=site.signed_in().cookie, empty=visitor.cookie)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with browsing(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def windows(browser: Browser, site: Site) -> AsyncIterator[Windows]:
    """Return the window of that look and session, which stays open for others."""
    opened: dict[tuple[Look, str], Window] = {}
    async with AsyncExitStack() as stack:

        async def of(look: Look, cookie: str) -> Window:
            if (look, cookie) not in opened:
                opened[look, cookie] = await stack.enter_async_context(
                    window(browser, site, look, cookie)
                )
            opened[look, cookie].faults.clear()
            return opened[look, cookie]

        yield of
