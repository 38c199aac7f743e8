"""Redriving: dead letters chosen, put into the queue again, or dropped for good."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import ChosenLetter, DeadLetter
from keyrelay.ports import Backlog, Inbox
from keyrelay.services.paging import in_parts, read_pages
from keyrelay.stores.dead_letter_query import DeadLetterQuery, LetterPage
from keyrelay.stores.dead_letters import (
    DeadLetterStore,
    Refusal,
    StoredLetter,
    reason_of,
    trigger_of,
)
from keyrelay.stores.refusals import NotFound, buried_anew
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
    """What became of one dead letter; `fault` says why nothing did."""

    trigger: str
    fault: Exception | None = None

    @property
    def refusal(self) -> str | None:
        return None if self.fault is None else str(self.fault)


class ResultKeeper(Protocol):
    """Keeps what becomes of letters; to act on them is its right alone."""

    def require_right(self) -> None:
        """Raise Unavailable if another process may be acting on the letters by now."""

    async def keep(
        self, connection: AsyncConnection, results: Sequence[LetterResult]
    ) -> None:
        """Keep results in the transaction in which they become so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterAdministration:
    """Each method raises Unavailable."""

    letters: DeadLetterStore

    async def read(
        self, profile: str, query: DeadLetterQuery, limit: int | None = None
    ) -> AsyncIterator[StoredLetter]:
        """Yield the letters, newest first."""

        async def fetch(page: int, amount: int) -> Sequence[StoredLetter]:
            part = LetterPage(number=page, amount=amount)
            return await self.letters.list(profile, query, part)

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
            for result in await self.drop_chosen(profile, _any(ids), actor):
                yield result

    async def drop_chosen(
        self,
        profile: str,
        chosen: Sequence[ChosenLetter],
        actor: str,
        keeper: ResultKeeper | None = None,
    ) -> Sequence[LetterResult]:
        """Forget a few letters, as `drop` does, unless they were buried anew."""
        part = await _read(self.letters, profile, chosen, keeper)
        gone = await self.letters.drop(profile, part.letters, actor, part.note)
        return part.results(gone)


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
            for result in await self.redrive_chosen(profile, _any(ids), actor):
                yield result

    async def redrive_chosen(
        self,
        profile: str,
        chosen: Sequence[ChosenLetter],
        actor: str,
        keeper: ResultKeeper | None = None,
    ) -> Sequence[LetterResult]:
        """Redrive a few letters, as `redrive` does, unless they were buried anew."""
        part = await _read(self.letters, profile, chosen, keeper)
        letters = part.readable()
        # In the queue before they are forgotten here: a crash between the two leaves
        # letters too many, never one too few.
        tried = await asyncio.gather(
            *(self._requeue(letter, keeper) for letter in letters),
            return_exceptions=True,
        )
        waiting = list[DeadLetter]()
        for letter, fault in zip(letters, tried, strict=True):
            match fault:
                case None:
                    waiting.append(letter)
                case BeingAttempted():
                    part.refused[letter.trigger.id] = fault
                case _:
                    raise fault
        gone = await self.letters.redriven(profile, waiting, actor, part.note)
        return part.results(gone)

    async def _requeue(self, letter: DeadLetter, keeper: ResultKeeper | None) -> None:
        """Raise BeingAttempted if the letter may be all that is left of its trigger."""
        if keeper is not None:
            keeper.require_right()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _LetterPart:
    """A few chosen letters, which of them were found, and why some are refused."""

    chosen: Sequence[ChosenLetter]
    found: Mapping[str, StoredLetter]
    keeper: ResultKeeper | None
    refused: dict[str, Exception]

    @property
    def letters(self) -> Sequence[StoredLetter]:
        """The letters that are not refused."""
        return [each for id_, each in self.found.items() if id_ not in self.refused]

    def readable(self) -> Sequence[DeadLetter]:
        """Refuse the letters that hold no trigger, and return the others."""
        readable = list[DeadLetter]()
        for each in self.letters:
            match each:
                case DeadLetter():
                    readable.append(each)
                case UnreadableRow():
                    self.refused[trigger_of(each)] = _not_redriven(each)
        return readable

    def results(self, gone: Mapping[str, Exception]) -> Sequence[LetterResult]:
        """Return what became of each; `gone` were removed or buried anew meanwhile."""
        ids = [each.trigger for each in self.chosen]
        missing = {i: NotFound("dead letter", i) for i in ids if i not in self.found}
        faults = {**missing, **self.refused, **gone}
        return [LetterResult(trigger=i, fault=faults.get(i)) for i in ids]

    async def note(
        self, connection: AsyncConnection, gone: Mapping[str, Refusal]
    ) -> None:
        if self.keeper is not None:
            await self.keeper.keep(connection, self.results(gone))


async def _read(
    letters: DeadLetterStore,
    profile: str,
    chosen: Sequence[ChosenLetter],
    keeper: ResultKeeper | None,
) -> _LetterPart:
    found = await letters.read(profile, [each.trigger for each in chosen])
    refused: dict[str, Exception] = {
        each.trigger: buried_anew(each.trigger)
        for each in chosen
        if each.buried_at is not None
        and isinstance(letter := found.get(each.trigger), DeadLetter)
        and letter.buried_at != each.buried_at
    }
    return _LetterPart(chosen=chosen, found=found, keeper=keeper, refused=refused)


def _any(ids: Sequence[str]) -> Sequence[ChosenLetter]:
    """Return the letters of these triggers, whenever they were buried."""
    return [ChosenLetter(trigger=id_) for id_ in ids]
