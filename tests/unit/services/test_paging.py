"""Paging: each entry once, whatever is added while the pages are read."""

from collections.abc import Sequence

import pytest

from keyrelay.services.paging import read_pages

ENTRIES = [str(number) for number in range(1200, 0, -1)]


async def test_what_is_added_meanwhile_makes_none_appear_twice() -> None:
    newest_first = list(ENTRIES)

    async def fetch(page: int, amount: int) -> Sequence[str]:
        found = newest_first[(page - 1) * amount : page * amount]
        newest_first.insert(0, f"new {page}")
        return found

    assert [entry async for entry in read_pages(fetch, str)] == ENTRIES


@pytest.mark.parametrize("limit", [1, 500, 501, 1200, 5000])
async def test_no_more_are_read_than_asked_for(limit: int) -> None:
    async def fetch(page: int, amount: int) -> Sequence[str]:
        return ENTRIES[(page - 1) * amount : page * amount]

    found = [entry async for entry in read_pages(fetch, str, limit)]

    assert found == ENTRIES[:limit]
