"""Progress: a line at the terminal's bottom that says how far long work has got."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console
from rich.status import Status

_TICK = 0.2  # seconds between two looks


@asynccontextmanager
async def progress(words: Callable[[], str], *, shown: bool) -> AsyncIterator[None]:
    """While the work goes on, show `words` on standard error, if they are `shown`."""
    if not shown:
        yield
        return
    with Console(stderr=True).status(words()) as status:
        looking = asyncio.create_task(_look(status, words))
        try:
            yield
        finally:
            looking.cancel()


async def _look(status: Status, words: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_TICK)
        status.update(words())
