"""Background: a task that runs beside a block of code and cannot fail unnoticed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


@asynccontextmanager
async def background(work: Awaitable[object]) -> AsyncIterator[asyncio.Future[object]]:
    """Run `work` while the block runs, and cancel it at the end of the block.

    A block that runs for long looks at `done()` of the task from time to time. What
    the task raised is raised at the end, unless the block itself has raised.
    """
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
