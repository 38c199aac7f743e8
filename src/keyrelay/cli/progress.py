"""Progress: a line at the bottom of the terminal that says how far long work has got.

A module of its own: rich's live display is slow to load, and few commands need it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_INTERVAL = 0.2  # seconds between two updates


@asynccontextmanager
async def progress(words: Callable[[], str], *, shown: bool) -> AsyncIterator[None]:
    """Show `words` on standard error until the block ends, if they are `shown`."""
    if not shown:
        yield
        return
    # Imported here, because it is seldom shown.
    from rich.console import Console

    with Console(stderr=True).status(words()) as status:
        updating = asyncio.create_task(_update(status.update, words))
        try:
            yield
        finally:
            updating.cancel()


async def _update(show: Callable[[str], None], words: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_INTERVAL)
        show(words())
