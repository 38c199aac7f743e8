"""Run chains: runs that lead to one another by the triggers that their scripts publish.

    run, which publishes a trigger of an action, which asks for a run, which …

A script that triggers what runs it, by itself or by way of others, would go on for
ever. The chain is known as far as scripts publish with their runs' own tokens, and as
long as the runs and the queue's facts of their triggers are kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.records import RunRecords

LONGEST = 10  # runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChains:
    """`publisher` is a Backlog's; the id of a run's own token is that of the run."""

    runs: RunRecords
    publisher: Callable[[str, str], Awaitable[str | None]]

    async def is_full(self, profile: str, run: str) -> bool:
        """Tell whether so many runs led to one another that this one is the last.

        Raises Unavailable.
        """
        for _ in range(LONGEST):
            before = await self._led_to(profile, run)
            if before is None:
                return False
            run = before
        return True

    async def _led_to(self, profile: str, run: str) -> str | None:
        """Return what published the trigger that asked for the run; None, nothing."""
        try:
            found = await self.runs.get(profile, run)
        except NotFound:
            return None  # of a token that is no run's own, or forgotten
        trigger = found.order.cause.trigger
        return None if trigger is None else await self.publisher(profile, trigger)
