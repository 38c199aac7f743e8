"""Paging: a list of any length, read or worked on a part at a time."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from itertools import islice
from typing import TypeVar

PAGE = 500

T = TypeVar("T")


async def read_pages(
    fetch: Callable[[int, int], Awaitable[Sequence[T]]],
    key: Callable[[T], str],
    limit: int | None = None,
) -> AsyncIterator[T]:
    """Yield each entry once, and at most `limit` of them.

    `fetch` is given the page's number, from 1, and its size. `key` tells entries apart:
    what is added at the front meanwhile moves entries on to the next page.
    """
    seen = set[str]()
    number, full = 1, True
    while full:
        page = await fetch(number, PAGE)
        for entry in page:
            if len(seen) == limit:
                return
            if key(entry) not in seen:
                seen.add(key(entry))
                yield entry
        number, full = number + 1, len(page) == PAGE


def in_parts(ids: Iterable[str], most: int) -> Iterator[Sequence[str]]:
    """Yield each id once, up to `most` together."""
    rest = iter(dict.fromkeys(ids))
    while part := list(islice(rest, most)):
        yield part
