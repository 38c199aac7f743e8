"""Dead-letter view: which dead letters are meant, and how one is shown."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from keyrelay.cli.columns import ACTION, buried, instant, other_id, text, word
from keyrelay.cli.output import Document
from keyrelay.cli.refusals import require_choice
from keyrelay.cli.session import Session
from keyrelay.cli.times import parse_since
from keyrelay.model.outcome import Fault
from keyrelay.services.dead_letter_documents import letter_document
from keyrelay.services.naming import find_trigger, whole_ids
from keyrelay.services.redriving import DeadLetterAdministration
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.dead_letters import StoredLetter
from keyrelay.stores.unreadable import UnreadableRow

COLUMNS = (
    other_id("trigger", buried),
    *ACTION,
    word("fault"),
    word("attempts", optional=True),
    instant("buried_at"),
    text("reason"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Filters as they were written; None lets everything through."""

    action: str | None
    fault: Fault | None
    since: str | None
    unreadable: bool = False

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
        read = letters.read_unreadable if self.unreadable else letters.read
        async for letter in read(session.profile.id, query, limit):
            yield letter_document(letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChoice:
    """Letters chosen by id, or `all` that match the filter."""

    ids: Sequence[str]
    all: bool
    filter: LetterFilter

    def __post_init__(self) -> None:
        require_choice(self.ids, everything=self.all)

    async def read(self, session: Session) -> Sequence[str]:
        if self.ids:
            find, profile = session.store.dead_letters.beginning, session.profile.id
            return await whole_ids(find, profile, self.ids)
        letters = DeadLetterAdministration(letters=session.store.dead_letters)
        query = await self.filter.query(session)
        return await letters.choose(session.profile.id, query)


async def find_letter(session: Session, trigger: str) -> StoredLetter:
    """Return the letter whose trigger has an id that begins so. Raises NotFound."""
    letters, profile = session.store.dead_letters, session.profile.id
    whole = await find_trigger([letters.beginning], profile, trigger)
    return await letters.get(profile, whole)


def exported(letter: StoredLetter) -> bytes:
    """Return the trigger's bytes as they are stored."""
    match letter:
        case UnreadableRow():
            raw = letter.columns["document"]
            return raw if isinstance(raw, bytes) else letter.text("document").encode()
        case _:
            return letter.trigger.encode()
