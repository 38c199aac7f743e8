"""Insistence: what is unavailable is tried again every second, as one outage."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from keyrelay.concurrency.outage import Outage
from keyrelay.concurrency.periodic import insist
from keyrelay.ports import Unavailable

Result = TypeVar("Result")

RETRY_AFTER = timedelta(seconds=1)  # between two tries of what is unavailable


async def until_available(
    act: Callable[[], Awaitable[Result]],
    outage: Outage,
    sleep: Callable[[timedelta], Awaitable[None]],
) -> Result:
    """Return the result of `act` once it does not raise Unavailable.

    All that share the outage say it together. One that did not fail says nothing of
    those that did: they may need something else.
    """
    failed = False

    async def pause(fault: Unavailable) -> None:
        nonlocal failed
        failed = True
        outage.failed(str(fault))
        await sleep(RETRY_AFTER)

    result = await insist(act, Unavailable, pause)
    if failed:
        outage.ended()
    return result
