"""Every page, in both themes, wide and narrow: nothing is wrong with it."""

from pathlib import Path

import pytest

from tests.e2e.console.browser import THEMES, WIDTHS, Look, Theme, Window
from tests.faces.conftest import Cookies, Windows
from tests.faces.pages import CANARY, Furnished, expected_status, lists, paths

pytestmark = pytest.mark.asyncio(loop_scope="session")

every_page = pytest.mark.parametrize("path", paths())
every_list = pytest.mark.parametrize("path", lists())
every_theme = pytest.mark.parametrize("theme", THEMES)
every_width = pytest.mark.parametrize("width", WIDTHS)

# What is cut short and does not tell the rest when it is pointed at.
_CUT = """
[...document.querySelectorAll("main *, header *")].filter((element) => {
  const style = getComputedStyle(element);
  const cuts = style.textOverflow === "ellipsis" || style.overflowX === "hidden";
  const seen = element.getClientRects().length && element.clientWidth > 1;
  return cuts && seen && element.scrollWidth > element.clientWidth + 1
    && !element.closest("[title]");
}).map((element) => element.outerHTML.slice(0, 120))
"""
# What has the focus, and whether that is seen.
_FOCUS = """
(() => {
  const element = document.activeElement;
  // A date has parts, of which each shows its own.
  if (element === document.body || element.type === "date") return "";
  const style = getComputedStyle(element);
  const seen = style.outlineStyle !== "none" || style.boxShadow !== "none";
  return seen ? "" : element.outerHTML.slice(0, 120);
})()
"""


async def looked_over(window: Window, address: str) -> list[str]:
    """Show the page, and return what is wrong with how it looks."""
    status = await window.show(address)
    wrong = [*window.faults]
    if status != expected_status(address):
        wrong.append(f"it is answered with {status}")
    if await window.page.locator("img, main script").count():
        wrong.append("a text that was stored became part of the page")
    if await window.is_too_wide():
        wrong.append("it scrolls sideways")
    wrong += [f"cut: {each}" for each in await window.page.evaluate(_CUT)]
    return wrong


async def judged(window: Window, address: str, axe: Path) -> list[str]:
    """Show the page, and return what axe finds."""
    await window.show(address)
    await window.page.add_script_tag(path=axe)
    found = await window.page.evaluate("axe.run()")
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']]}"
        for each in found["violations"]
    ]


@every_page
@every_width
@every_theme
@pytest.mark.parametrize("has_scripts", [True, False], ids=["live", "plain"])
async def test_a_page_is_whole_and_asks_for_nothing_elsewhere(
    windows: Windows,
    everything: Furnished,
    cookies: Cookies,
    path: str,
    width: int,
    theme: Theme,
    *,
    has_scripts: bool,
) -> None:
    look = Look(theme=theme, width=width, has_scripts=has_scripts)
    window = await windows(look, cookies.full)

    assert await looked_over(window, everything.address(path)) == []


@every_page
@every_width
@every_theme
async def test_everyone_can_use_a_page(
    windows: Windows,
    everything: Furnished,
    cookies: Cookies,
    axe_script: Path,
    path: str,
    width: int,
    theme: Theme,
) -> None:
    look = Look(theme=theme, width=width, is_bare=True)
    window = await windows(look, cookies.full)

    assert await judged(window, everything.address(path), axe_script) == []


@every_list
@every_theme
async def test_a_page_of_a_profile_with_nothing_in_it_is_whole(
    windows: Windows,
    cookies: Cookies,
    axe_script: Path,
    path: str,
    theme: Theme,
) -> None:
    window = await windows(Look(theme=theme, width=360), cookies.empty)
    bare = await windows(Look(theme=theme, width=360, is_bare=True), cookies.empty)

    assert await looked_over(window, path) == []
    assert await judged(bare, path, axe_script) == []


@every_page
@every_theme
async def test_what_has_the_focus_is_seen(
    windows: Windows,
    everything: Furnished,
    cookies: Cookies,
    path: str,
    theme: Theme,
) -> None:
    window = await windows(Look(theme=theme), cookies.full)
    await window.show(everything.address(path))

    unseen = []
    for _ in range(40):
        await window.page.keyboard.press("Tab")
        unseen.append(await window.page.evaluate(_FOCUS))

    assert [each for each in dict.fromkeys(unseen) if each] == []


@pytest.mark.parametrize("path", ["/secrets"])
async def test_what_looks_like_markup_is_shown_as_it_was_written(
    windows: Windows, cookies: Cookies, path: str
) -> None:
    window = await windows(Look(), cookies.full)
    await window.show(path)

    assert CANARY in await window.page.inner_text("main")
