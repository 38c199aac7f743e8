"""Progress: a line at the bottom of the terminal that says how far long work has got.

A module of its own: rich's live display is slow to load, and few commands need it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console
from rich.status import Status

_INTERVAL = 0.2  # seconds between two updates


@asynccontextmanager
async def progress(words: Callable[[], str], *, shown: bool) -> AsyncIterator[None]:
    """Show `words` on standard error until the block ends, if they are `shown`."""
    if not shown:
        yield
        return
    with Console(stderr=True).status(words()) as status:
        updating = asyncio.create_task(_update(status, words))
        try:
            yield
        finally:
            updating.cancel()


async def _update(status: Status, words: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_INTERVAL)
        status.update(words())
