"""Page sizes: how many rows of a long list are read at once."""

from collections.abc import Iterator

_FIRST, _GROWTH = 25, 4


def page_sizes(most: int) -> Iterator[int]:
    """Yield the sizes of one page after the other, few rows at first: most callers
    want no more than those."""
    size = _FIRST
    while True:
        yield min(size, most)
        size = min(size * _GROWTH, most)
