"""The console in a browser: one main path a screen, with and without scripts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.console.browser import Look, Window, browsing, window
from tests.e2e.console.site import ROOT, Site
from tests.e2e.console.test_actions import MAIL, secret, stored_mail
from tests.e2e.console.test_dead_letters import bury
from tests.e2e.console.test_secrets import CANARY, VALUES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with browsing(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[True, False],
    ids=["with scripts", "without scripts"],
)
async def opened(
    request: pytest.FixtureRequest, browser: Browser, site: Site
) -> AsyncIterator[Window]:
    """A window in which someone is signed in, by the page that asks for a token."""
    look = Look(has_scripts=request.param)
    async with window(browser, site, look) as opened:
        await opened.show("/")
        await opened.page.get_by_label("Token").fill(site.tokens["full"])
        await opened.page.get_by_role("button", name="Sign in").click()
        await expect(opened.page.get_by_role("navigation").first).to_be_visible()
        yield opened
        assert opened.faults == []


async def everything(page: Page) -> str:
    """Return all that the browser has of the page, its address and its site."""
    context = page.context
    stored = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    kept = await context.storage_state(indexed_db=True)
    return f"{page.url} {await page.content()} {stored} {kept}"


@pytest.mark.parametrize("type_", VALUES)
async def test_a_secret_of_each_type_is_made_and_its_value_is_nowhere(
    opened: Window, site: Site, type_: str
) -> None:
    page = opened.page
    key = f"{type_}-{'live' if opened.look.has_scripts else 'plain'}"

    await page.get_by_role("link", name="Secrets").first.click()
    await page.get_by_role("link", name="New Secret").first.click()
    await page.locator(f'a[href="?type={type_}"]').click()
    await page.get_by_label("Secret Key").fill(key)
    for name, text in VALUES[type_].items():
        await page.locator(f'[name="{name}"]').fill(text)
    await page.get_by_label("Key of tag 1").fill("use")
    await page.get_by_label("Value of tag 1").fill("mail")
    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_text("Created.")).to_be_visible()
    secret = page.url.partition("?")[0].rsplit("/", 1)[-1]
    assert CANARY not in await everything(page)
    for tab in ("Replace value", "Used by", "History", "More"):
        await page.get_by_role("link", name=tab).click()
        assert CANARY not in await everything(page)
    await expect(page.get_by_text(secret, exact=True)).to_be_visible()
    assert site.api.get(f"/secrets/{secret}").field("key") == key


async def test_a_preview_is_shown_while_an_action_is_written(
    opened: Window, site: Site
) -> None:
    page, preview = opened.page, opened.page.locator("#preview")
    account = secret(site, "browser-mail")

    await opened.show("/actions/new?type=email-smtp")
    await page.get_by_label("Name").first.fill("written")
    await page.locator('[name="smtp_secret"]').select_option(account)
    for name in ("from", "to", "message"):
        await page.locator(f'[name="{name}"]').fill(MAIL[name])
    subject = page.locator('[name="subject"]')
    await subject.fill("Now " if opened.look.has_scripts else "Now $VALUE$")
    if opened.look.has_scripts:
        await page.get_by_role("button", name="$VALUE$").click()
    else:
        await page.get_by_role("button", name="Preview").click()

    await expect(preview.get_by_text("Now 21.5")).to_be_visible()
    await expect(subject).to_have_value("Now $VALUE$")
    assert "written" not in str(site.api.get("/action").result)


@pytest.mark.parametrize("path", ["", "/edit", "/try", "/attempts", "/more"])
async def test_the_pages_of_an_action_fit_a_narrow_window(
    browser: Browser, site: Site, path: str
) -> None:
    action = stored_mail(site, "narrow and of a long name" * 3)
    narrow = Look(width=360)
    async with window(browser, site, narrow, site.signed_in().cookie) as opened:
        await opened.show(f"/actions/{action}{path}")

        assert not await opened.is_too_wide()
        assert opened.faults == []


async def test_keys_lead_to_screens_filters_and_rows(
    browser: Browser, site: Site
) -> None:
    for name in ("keys-a", "keys-b"):
        tags = [{"key": "keys", "value": "yes"}]
        site.api.ask("POST", "/secrets", {"key": name, "value": "v", "tags": tags})
    async with window(browser, site, Look(), site.signed_in().cookie) as opened:
        page = opened.page
        await opened.show("/secrets?tag=keys%3Dyes")

        await page.keyboard.press("/")
        await expect(page.get_by_label("Key", exact=True)).to_be_focused()
        await page.get_by_label("Key", exact=True).blur()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.get_by_role("link", name="keys-b")).to_be_focused()
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="keys-a")).to_be_visible()
        await page.keyboard.press("g")
        await page.keyboard.press("s")
        await page.wait_for_url(f"**{ROOT}/secrets")
        await page.keyboard.press("n")
        await page.wait_for_url(f"**{ROOT}/secrets/new")

        assert opened.faults == []


async def test_a_theme_that_is_chosen_stays(browser: Browser, site: Site) -> None:
    async with window(browser, site, Look(), site.signed_in().cookie) as opened:
        await opened.show("/secrets")
        await opened.page.get_by_role("button", name="Show the console dark").click()
        await opened.show("/secrets")

        theme = opened.page.locator("html")
        await expect(theme).to_have_attribute("data-theme", "dark")
        assert opened.faults == []


async def test_signing_out_leads_back_to_signing_in(
    browser: Browser, site: Site
) -> None:
    async with window(browser, site, Look(), site.signed_in().cookie) as opened:
        await opened.show("/secrets")
        await opened.page.get_by_role("button", name="Sign out").click()
        await expect(opened.page.get_by_label("Token")).to_be_visible()

        await opened.page.go_back()
        await expect(opened.page.get_by_label("Token")).to_be_visible()
        assert opened.faults == []


async def test_letters_are_selected_by_mouse_and_their_job_is_followed_to_its_end(
    opened: Window, site: Site
) -> None:
    page = opened.page
    ids = [f"boxed-{opened.look.has_scripts}-{number}" for number in range(3)]
    bury(site, *ids)

    await opened.show("/dead-letters")
    for id_ in ids[:2]:
        await page.get_by_label(f"Select {id_}").check()
    await page.get_by_role("button", name="Drop selected").click()
    await page.get_by_role("button", name="Drop 2 triggers").click()
    await page.wait_for_url("**/jobs/*")
    refresh = page.get_by_role("link", name="Refresh")
    while not opened.look.has_scripts and await refresh.count():
        await refresh.click()

    await expect(refresh).to_have_count(0, timeout=20_000)
    await expect(page.get_by_text("2 of 2")).to_be_visible()
    await expect(page.get_by_role("link", name=ids[0])).to_be_visible()
    await opened.show("/dead-letters")
    await expect(page.get_by_label(f"Select {ids[2]}")).to_be_visible()
    await expect(page.get_by_label(f"Select {ids[0]}")).to_have_count(0)
