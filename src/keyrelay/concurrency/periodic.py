"""Periodic: repeats a call until it succeeds."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")
Fault = TypeVar("Fault", bound=Exception)


async def insist(
    act: Callable[[], Awaitable[Result]],
    fault: type[Fault],
    wait_out: Callable[[Fault], Awaitable[None]],
) -> Result:
    """Call `act` until it does not raise `fault`, and return its result.

    `wait_out` is awaited between two calls, with what the last one raised. Any other
    exception is raised.
    """
    while True:
        try:
            return await act()
        except fault as raised:
            await wait_out(raised)
