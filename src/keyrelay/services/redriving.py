"""Redriving: dead letters chosen, put into the queue again, or dropped for good."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.ports import Backlog, Inbox
from keyrelay.services.paging import in_parts, read_pages
from keyrelay.stores.dead_letters import (
    DeadLetterQuery,
    DeadLetterStore,
    StoredLetter,
    reason_of,
    trigger_of,
)
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.unreadable import UnreadableRow

# Letters that one transaction forgets; each may hold a MiB.
_TOGETHER = 200


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
        return await self.letters.ids(profile, query)

    async def drop(
        self, profile: str, triggers: Iterable[str], actor: str
    ) -> AsyncIterator[LetterResult]:
        """Forget letters for good, and yield what became of each.

        A letter that is gone, or was buried anew meanwhile, does not stop the others.
        """
        for ids in in_parts(triggers, _TOGETHER):
            found = await self.letters.read(profile, ids)
            refused = await self.letters.drop(profile, [*found.values()], actor)
            for result in _results(ids, found, refused):
                yield result


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
        for ids in in_parts(triggers, _TOGETHER):
            found = await self.letters.read(profile, ids)
            for result in _results(
                ids, found, await self._redrive(profile, found, actor)
            ):
                yield result

    async def _redrive(
        self, profile: str, found: Mapping[str, StoredLetter], actor: str
    ) -> Mapping[str, Exception]:
        """Return, by trigger, why some were not redriven."""
        letters = [each for each in found.values() if isinstance(each, DeadLetter)]
        # In the queue before they are forgotten here: a crash between the two leaves
        # letters too many, never one too few.
        tried = await asyncio.gather(
            *(self._requeue(letter) for letter in letters), return_exceptions=True
        )
        refused: dict[str, Exception] = {
            id_: _not_redriven(letter)
            for id_, letter in found.items()
            if isinstance(letter, UnreadableRow)
        }
        waiting = list[DeadLetter]()
        for letter, fault in zip(letters, tried, strict=True):
            match fault:
                case None:
                    waiting.append(letter)
                case BeingAttempted():
                    refused[letter.trigger.id] = fault
                case _:
                    raise fault
        return {**refused, **await self.letters.redriven(profile, waiting, actor)}

    async def _requeue(self, letter: DeadLetter) -> None:
        """Raise BeingAttempted if the letter may be all that is left of its trigger."""
        if await self.queue.redrive(letter):
            return
        trigger = letter.trigger
        known = await self.queue.status(trigger.profile, trigger.id)
        # Its lease may be about to bury it: its letter is kept first, and this is it.
        unsettled = (TriggerState.LEASED, TriggerState.BURIED)
        if known is not None and known.state in unsettled:
            raise BeingAttempted(f"trigger {trigger.id} is being attempted: look again")


def _not_redriven(letter: UnreadableRow) -> NotRedriven:
    return NotRedriven(
        f"trigger {trigger_of(letter)}: {reason_of(letter)};"
        " `keyrelay dead-letter export` gives its bytes, `drop` forgets it"
    )


def _results(
    ids: Sequence[str],
    found: Mapping[str, StoredLetter],
    refused: Mapping[str, Exception],
) -> Iterator[LetterResult]:
    for id_ in ids:
        missing = None if id_ in found else NotFound("dead letter", id_)
        refusal = refused.get(id_, missing)
        yield LetterResult(
            trigger=id_, refusal=None if refusal is None else str(refusal)
        )
