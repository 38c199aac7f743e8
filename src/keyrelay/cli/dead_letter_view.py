"""Dead-letter view: which dead letters are meant, and how one is shown."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from keyrelay.cli.output import Document, date
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session
from keyrelay.cli.times import parse_since
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.services.redriving import DeadLetterAdministration
from keyrelay.stores.dead_letters import DeadLetterQuery

COLUMNS = ("trigger", "action", "fault", "attempts", "buried_at", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Filters as they were written; None lets everything through."""

    action: str | None
    fault: Fault | None
    since: str | None

    async def query(self, session: Session) -> DeadLetterQuery:
        return DeadLetterQuery(
            action=await session.action_id(self.action),
            fault=self.fault,
            since=parse_since(self.since, session.world.now()),
        )

    async def rows(
        self, session: Session, limit: int | None
    ) -> AsyncIterator[Document]:
        letters = DeadLetterAdministration(letters=session.store.dead_letters)
        query = await self.query(session)
        async for letter in letters.read(session.profile.id, query, limit):
            yield letter_document(letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChoice:
    """Letters chosen by id, or `all` that match the filter."""

    ids: Sequence[str]
    all: bool
    filter: LetterFilter

    def __post_init__(self) -> None:
        if bool(self.ids) == self.all:
            raise WrongUsage("give ids of triggers, or --all with or without filters")

    async def read(self, session: Session) -> Sequence[str]:
        if self.ids:
            return self.ids
        letters = DeadLetterAdministration(letters=session.store.dead_letters)
        query = await self.filter.query(session)
        return await letters.choose(session.profile.id, query)


def letter_document(letter: DeadLetter) -> Document:
    """Return what is known of the letter, without the trigger's data."""
    settlement = letter.settlement
    return {
        "trigger": letter.trigger.id,
        "action": letter.trigger.action,
        "reason": settlement.reason,
        "fault": settlement.fault,
        "attempts": letter.attempts,
        "done": sorted(settlement.done),
        "buried_at": date(letter.buried_at),
    }


def whole_letter_document(letter: DeadLetter) -> Document:
    return {**letter_document(letter), "document": letter.trigger.document()}
