"""Browser: Chromium at the console, and what it complains of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    StorageState,
    async_playwright,
)

from tests.e2e.console.site import COOKIE, ROOT, Site

# Tests may be run by root, whose Chromium has no sandbox; nothing is fetched by itself.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (1280, 360)
HEIGHT = 900

# Told to the page before any script of its own.
_WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a browser is set up; `is_bare` takes scripts of tests, which pages refuse."""

    theme: Theme = "light"
    width: int = 1280
    has_scripts: bool = True
    is_bare: bool = False


@dataclass(kw_only=True)  # without slots: Playwright notes its wrappers here
class Window:
    """One window; `faults` are what its pages did that none may."""

    site: Site
    look: Look
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)

    async def show(self, path: str) -> int:
        """Go to a page below the console; return its status once it is complete."""
        answer = await self.page.goto(f"{self.site.api.url}{ROOT}{path}")
        assert answer is not None
        return answer.status

    async def is_too_wide(self) -> bool:
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth"
            " > document.documentElement.clientWidth"
        )
        return wide

    def listen(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._see)
        self.page.on("dialog", self._answer)

    def _hear(self, message: ConsoleMessage) -> None:
        # A page that is answered with a failure is one of the console's own.
        is_status = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_status:
            self.faults.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.site.api.url}/", "data:")):
            self.faults.append(f"request: {request.url}")

    async def _answer(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


@asynccontextmanager
async def browsing(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=ARGUMENTS
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def window(
    browser: Browser, site: Site, look: Look, cookie: str = ""
) -> AsyncIterator[Window]:
    """Open a window of its own; `cookie` is that of a session, if one is given."""
    context = await browser.new_context(
        viewport={"width": look.width, "height": HEIGHT},
        color_scheme=look.theme,
        java_script_enabled=look.has_scripts,
        bypass_csp=look.is_bare,
        storage_state=_state(site, cookie) if cookie else None,
    )
    try:
        await context.add_init_script(_WATCH)
        page = await context.new_page()
        opened = Window(site=site, look=look, context=context, page=page)
        opened.listen()
        yield opened
    finally:
        await context.close()


def _state(site: Site, cookie: str) -> StorageState:
    host = site.api.url.partition("://")[2].rpartition(":")[0]
    return {
        "cookies": [
            {
                "name": COOKIE,
                "value": cookie,
                "domain": host,
                "path": ROOT,
                "expires": -1,
                "httpOnly": True,
                "secure": False,
                "sameSite": "Strict",
            }
        ],
        "origins": [],
    }
