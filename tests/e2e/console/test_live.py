"""Live: what happens is told to the pages that are open, each thing once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.e2e.console.browser import Look, browsing, window
from tests.e2e.console.site import ROOT, Site, Visitor

NO_ACTION = "0" * 24


def publish(site: Site, id_: str) -> None:
    document = {"id": id_, "action": NO_ACTION, "data": {"value": 1}}
    assert site.api.ask("POST", "/triggers", document).status == 202


def attempt(site: Site, *ids: str) -> None:
    """Have triggers attempted, and rejected."""
    for id_ in ids:
        publish(site, id_)
    site.home.run("worker", "--drain")


@contextmanager
def followed(
    visitor: Visitor, query: str = "", last: str | None = None
) -> Iterator[Iterator[str]]:
    """Give the lines of the stream, once it has begun."""
    headers = {} if last is None else {"Last-Event-ID": last}
    path = f"{ROOT}/live?{query}"
    with visitor.client.stream("GET", path, headers=headers, timeout=15) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines) == ": events follow"
        yield lines


def rows_until(lines: Iterator[str], *triggers: str) -> tuple[list[str], str]:
    """Return the ids of rows up to those of triggers, and the last id of events."""
    rows, last, missing = [], "", {*triggers}
    for line in lines:
        if line.startswith("id: "):
            last = line.removeprefix("id: ")
        if '<tr id="' in line:
            rows.append(line.partition('<tr id="')[2].split('"')[0])
        missing -= {each for each in missing if f'/triggers/{each}"' in line}
        if not missing:
            return rows, last
    raise AssertionError(f"the stream ended before {missing}")


def test_an_attempt_is_told_as_a_row_that_says_why_it_ended(
    site: Site, visitor: Visitor
) -> None:
    with followed(visitor) as lines:
        attempt(site, "told-1")
        rows, last = rows_until(lines, "told-1")
        rest = [next(lines) for _ in range(7)]

    listed = site.api.get("/attempts?trigger=told-1").result
    assert isinstance(listed, dict)
    [one] = listed["attempts"]
    assert rows[-1] == f"attempt-{one['id']}"
    assert last == one["at"]
    assert any(f"there is no action {NO_ACTION}" in line for line in rest)


def test_a_page_that_comes_back_is_told_what_it_missed(
    site: Site, visitor: Visitor
) -> None:
    with followed(visitor) as lines:
        attempt(site, "missed-1")
        _, last = rows_until(lines, "missed-1")
    attempt(site, "missed-2", "missed-3")

    with followed(visitor, last=last) as lines:
        rows, _ = rows_until(lines, "missed-2", "missed-3")

    assert len(rows) >= 2
    assert len({*rows}) == len(rows)


def test_a_page_is_told_only_what_fits_its_filters(
    site: Site, visitor: Visitor
) -> None:
    with followed(visitor, "trigger=fits-2") as lines:
        attempt(site, "fits-1", "fits-2")
        rows, _ = rows_until(lines, "fits-2")

    assert len(rows) == 1


def test_a_stream_ends_with_its_session(site: Site) -> None:
    visitor = site.signed_in("read")
    form = visitor.get("/").form("/sign-out")

    with followed(visitor) as lines:
        cookies = dict(visitor.client.cookies)
        with httpx.Client(
            base_url=site.api.url, trust_env=False, cookies=cookies
        ) as other:
            signed_out = other.post(
                f"{ROOT}/sign-out",
                data=dict(form.pairs),
                headers={"Origin": site.api.url},
            )
        told = [*lines]

    assert signed_out.status_code == 303
    assert all(line in {"", "event: beat", "data:", "data: "} for line in told)
    assert visitor.client.get(f"{ROOT}/live").status_code == 401


def test_what_is_no_place_of_the_stream_is_refused(visitor: Visitor) -> None:
    refused = visitor.client.get(f"{ROOT}/live", headers={"Last-Event-ID": "x"})

    assert refused.status_code == 400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with browsing(chromium) as browser:
        yield browser


@pytest.mark.asyncio(loop_scope="module")
async def test_new_rows_appear_once_and_wait_while_the_page_is_paused(
    browser: Browser, site: Site
) -> None:
    attempt(site, "seen-1")
    cookie = site.signed_in("read").cookie
    async with window(browser, site, Look(has_scripts=True), cookie) as opened:
        await opened.show("/attempts")
        page = opened.page
        await expect(page.get_by_text("live", exact=True)).to_be_visible()
        rows = page.locator("#attempts tr")
        before = await rows.count()

        attempt(site, "seen-2")
        await expect(rows).to_have_count(before + 1)
        await page.get_by_role("button", name="Pause").click()
        attempt(site, "seen-3", "seen-4")
        waiting = page.get_by_role("button", name="2 new")
        await expect(waiting).to_be_visible()
        held = await rows.count()
        await waiting.click()

        await expect(rows).to_have_count(before + 3)
        ids = await rows.evaluate_all("rows => rows.map(row => row.id)")
        assert held == before + 1
        assert len({*ids}) == len(ids)
        assert opened.faults == []


@pytest.mark.asyncio(loop_scope="module")
async def test_the_keys_are_shown_and_put_away_by_the_keyboard(
    browser: Browser, site: Site
) -> None:
    cookie = site.signed_in("read").cookie
    async with window(browser, site, Look(has_scripts=True), cookie) as opened:
        await opened.show("/")
        keys = opened.page.get_by_role("dialog", name="Keys")

        await opened.page.keyboard.press("?")
        await expect(keys).to_be_visible()
        await opened.page.keyboard.press("Escape")

        await expect(keys).to_be_hidden()
        assert opened.faults == []


@pytest.mark.asyncio(loop_scope="module")
async def test_the_eighth_tab_is_live_and_one_that_is_used_again_misses_nothing(
    browser: Browser, site: Site
) -> None:
    attempt(site, "tabs-1")
    cookie = site.signed_in("write").cookie
    async with window(browser, site, Look(has_scripts=True), cookie) as opened:
        await opened.show("/attempts")
        first = opened.page
        rows = first.locator("#attempts tr")
        before = await rows.count()
        for _ in range(7):
            tab = await opened.context.new_page()
            await tab.goto(first.url)
            await expect(tab.get_by_text("live", exact=True)).to_be_visible()
        await expect(first.get_by_text("other tabs are live")).to_be_visible()

        attempt(site, "tabs-2")
        await first.get_by_role("heading", name="Attempts").click()

        await expect(first.get_by_text("live", exact=True)).to_be_visible()
        await expect(rows).to_have_count(before + 1)
        assert opened.faults == []
