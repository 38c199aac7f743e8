"""Periodic: what is repeated until it has succeeded."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")
Fault = TypeVar("Fault", bound=Exception)


async def insist(
    act: Callable[[], Awaitable[Result]],
    fault: type[Fault],
    wait_out: Callable[[Fault], Awaitable[None]],
) -> Result:
    """Return what `act` returns, however often it raises `fault` before.

    `wait_out` is awaited between two tries, with what the last one raised. Any other
    exception passes through.
    """
    while True:
        try:
            return await act()
        except fault as raised:
            await wait_out(raised)
