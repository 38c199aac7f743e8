"""Redriving: dead letters chosen, put into the queue again, or dropped for good."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.ports import Backlog, Inbox
from keyrelay.services.paging import read_pages
from keyrelay.stores.dead_letters import (
    DeadLetterQuery,
    DeadLetterStore,
    StoredLetter,
    reason_of,
    trigger_of,
)
from keyrelay.stores.refusals import EditedMeanwhile, NotFound
from keyrelay.stores.unreadable import UnreadableRow


class BeingAttempted(Exception):
    """The trigger is leased: its dead letter may be all that is left of it."""


class NotRedriven(Exception):
    """The letter holds no trigger that could be put into the queue."""


class LetterQueue(Inbox, Backlog, Protocol):
    """The queue that letters go back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterResult:
    """What became of one dead letter; `refusal` says why nothing did."""

    trigger: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterAdministration:
    """Each method raises Unavailable."""

    letters: DeadLetterStore

    async def read(
        self, profile: str, query: DeadLetterQuery, limit: int | None = None
    ) -> AsyncIterator[StoredLetter]:
        """Yield the letters, newest first; the query's page and amount do not count."""

        async def fetch(page: int, amount: int) -> Sequence[StoredLetter]:
            asked = replace(query, page=page, amount=amount)
            return await self.letters.list(profile, asked)

        async for letter in read_pages(fetch, trigger_of, limit):
            yield letter

    async def read_unreadable(
        self, profile: str, query: DeadLetterQuery, limit: int | None = None
    ) -> AsyncIterator[UnreadableRow]:
        """Yield the letters that cannot be read, newest first."""
        found = 0
        async for letter in self.read(profile, query):
            if found == limit:
                return
            if isinstance(letter, UnreadableRow):
                found += 1
                yield letter

    async def choose(self, profile: str, query: DeadLetterQuery) -> Sequence[str]:
        """Return the ids of all matching letters.

        Ids, because letters may be large, and change while they are worked on.
        """
        return [trigger_of(letter) async for letter in self.read(profile, query)]

    async def drop(
        self, profile: str, triggers: Iterable[str], actor: str
    ) -> AsyncIterator[LetterResult]:
        """Forget letters for good, and yield what became of each.

        A letter that is gone, or was buried anew meanwhile, does not stop the others.
        """
        drop = partial(self.letters.drop, actor=actor)
        for trigger in triggers:
            yield await _handle(self.letters, profile, trigger, drop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriving:
    queue: LetterQueue
    letters: DeadLetterStore

    async def redrive(
        self, profile: str, triggers: Iterable[str], actor: str
    ) -> AsyncIterator[LetterResult]:
        """Put triggers into the queue again, and yield what became of each.

        A letter that is gone, or whose trigger is being attempted, does not stop the
        others. Raises Unavailable; to redrive again is safe then.
        """
        redrive = partial(self._redrive, actor=actor)
        for trigger in triggers:
            yield await _handle(self.letters, profile, trigger, redrive)

    async def _redrive(self, letter: StoredLetter, actor: str) -> None:
        if isinstance(letter, UnreadableRow):
            raise NotRedriven(
                f"trigger {trigger_of(letter)}: {reason_of(letter)};"
                " `keyrelay dead-letter export` gives its bytes, `drop` forgets it"
            )
        # In the queue before it is forgotten here: a crash between the two leaves a
        # letter too many, never one too few.
        if not await self.queue.redrive(letter):
            await self._require_settled(letter)
        await self.letters.redriven(letter, actor)

    async def _require_settled(self, letter: DeadLetter) -> None:
        """Raise BeingAttempted if the letter may be all that is left of its trigger."""
        trigger = letter.trigger
        known = await self.queue.status(trigger.profile, trigger.id)
        # Its lease may be about to bury it: its letter is kept first, and this is it.
        unsettled = (TriggerState.LEASED, TriggerState.BURIED)
        if known is not None and known.state in unsettled:
            raise BeingAttempted(f"trigger {trigger.id} is being attempted: look again")


async def _handle(
    letters: DeadLetterStore,
    profile: str,
    trigger: str,
    act: Callable[[StoredLetter], Awaitable[None]],
) -> LetterResult:
    try:
        await act(await letters.get(profile, trigger))
    except (NotFound, EditedMeanwhile, BeingAttempted, NotRedriven) as refusal:
        return LetterResult(trigger=trigger, refusal=str(refusal))
    return LetterResult(trigger=trigger)
