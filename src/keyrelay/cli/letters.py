"""Letters: which dead letters are meant, and what is shown of one."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.cli.moments import parse_past
from keyrelay.cli.names import action_called
from keyrelay.cli.output import Document, date
from keyrelay.cli.pages import Pages
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.documents import parse_document
from keyrelay.model.outcome import Fault
from keyrelay.stores.dead_letters import DeadLetterQuery

COLUMNS = ("trigger", "action", "fault", "attempts", "buried_at", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is None does not matter."""

    action: str | None
    fault: Fault | None
    since: str | None

    @property
    def pages(self) -> Pages:
        return Pages(fetch=self._fetch, columns=COLUMNS, key="trigger")

    async def _fetch(
        self, session: Session, page: int, amount: int
    ) -> Sequence[Document]:
        now = session.store.audit_log.world.now()
        query = DeadLetterQuery(
            action=await action_called(session, self.action),
            fault=self.fault,
            since=None if self.since is None else parse_past(self.since, now),
            page=page,
            amount=amount,
        )
        found = await session.store.dead_letters.list(session.profile.id, query)
        return [document_of(letter) for letter in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Letters chosen by id, or `all` that the filters let through."""

    ids: Sequence[str]
    all: bool
    filters: Filters

    def __post_init__(self) -> None:
        if bool(self.ids) == self.all:
            raise WrongUsage("give ids of triggers, or --all with or without filters")

    async def read(self, session: Session) -> list[str]:
        """Return the ids: letters may be large, and change while we work."""
        if self.ids:
            return list(self.ids)
        pages = self.filters.pages.read(session, None)
        return [str(document["trigger"]) async for document in pages]


def document_of(letter: DeadLetter) -> Document:
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


def whole_document_of(letter: DeadLetter) -> Document:
    return {**document_of(letter), "document": parse_document(letter.trigger.encode())}
