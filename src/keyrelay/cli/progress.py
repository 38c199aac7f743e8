"""Progress: a line at the bottom of the terminal that says how far long work has got.

A module of its own: rich's live display is slow to load, and few commands need it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_INTERVAL = 0.2  # seconds between two updates


def is_progress_seen(*, answers: bool) -> bool:
    """Whether standard error is a terminal on which a line can be redrawn.

    `answers`: the command prints as it goes. On the same terminal its answers show
    how far it has got, and the line would stand in their way.
    """
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not plain and not (answers and sys.stdout.isatty())


@asynccontextmanager
async def progress(words: Callable[[], str], *, shown: bool) -> AsyncIterator[None]:
    """Show `words` on standard error until the block ends, if they are `shown`.

    Standard output is never touched: what a command answers goes there, always.
    """
    if not shown:
        yield
        return
    # Imported here, because it is seldom shown.
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots", words(), style="status.spinner")
    # rich takes both standard streams over unless it is told not to. Standard error
    # is where the line stands: messages beside it are printed above it.
    console = Console(stderr=True)
    with Live(spinner, console=console, transient=True, redirect_stdout=False):
        updating = asyncio.create_task(_update(spinner.update, words))
        try:
            yield
        finally:
            updating.cancel()


async def _update(show: Callable[..., None], words: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_INTERVAL)
        show(text=words())
