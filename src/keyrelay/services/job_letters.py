"""Job letters: the dead letters of a job, redriven or dropped a few at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.dead_letter import ChosenLetter
from keyrelay.model.job import JobState
from keyrelay.services.job_holding import HeldJob
from keyrelay.services.jobs import parse_query
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    LetterResult,
    Redriving,
    ResultKeeper,
)

MOST_TOGETHER = 50  # letters; each may hold a MiB, and a cancel waits for them
_SPREAD = 0.25  # seconds: at a rate, so much of it goes together

Act = Callable[
    [str, Sequence[ChosenLetter], str, ResultKeeper], Awaitable[Sequence[LetterResult]]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLetters:
    redriving: Redriving
    administration: DeadLetterAdministration

    async def redrive(self, held: HeldJob) -> Mapping[str, object] | None:
        """Redrive the next letters of a job; return how it ends, if none is left.

        Raises Unavailable, JobLost, and InvalidDefinition for a query that is none.
        """
        return await self._act(held, self.redriving.redrive_chosen)

    async def drop(self, held: HeldJob) -> Mapping[str, object] | None:
        """Drop the next letters of a job, as `redrive` does."""
        return await self._act(held, self.administration.drop_chosen)

    async def _act(self, held: HeldJob, act: Act) -> Mapping[str, object] | None:
        order, world = held.job.order, held.leases.world
        if held.next_at is None:
            if not await held.results.choose(held.lease, parse_query(order.query)):
                return None
            held.next_at = world.now()
        if held.next_at > world.now():
            await held.pause(held.next_at - world.now())
            if held.over.is_set():
                return None
        rows = await held.results.waiting(held.lease, _together(order.rate))
        if not rows:
            return {"state": JobState.DONE}
        numbers = {letter.trigger: number for number, letter in rows.items()}
        keeper, profile = held.keeper(numbers), order.profile or ""
        begun_at = world.now()
        await act(profile, [*rows.values()], order.actor, keeper)
        if order.rate is not None:
            held.next_at = begun_at + timedelta(seconds=len(rows) / order.rate)
        return None


def _together(rate: float | None) -> int:
    """Return how many letters are worked on at once."""
    if rate is None:
        return MOST_TOGETHER
    return max(1, min(MOST_TOGETHER, int(rate * _SPREAD)))
