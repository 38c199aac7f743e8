"""Audit view: which audit records are listed, and how one is shown."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from keyrelay.cli.output import Document
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session
from keyrelay.cli.times import parse_since
from keyrelay.services.audit import AuditReading
from keyrelay.services.naming import find_definition, find_trigger
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import TrailEntry
from keyrelay.stores.definitions.stored_document import id_of

Names = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What a record is to be of, by id or name: an action, or runs of an analysis."""

    action: str | None = None
    analysis: str | None = None

    def __post_init__(self) -> None:
        if self.action is not None and self.analysis is not None:
            raise WrongUsage("give --action or --analysis: no record is of both")

    async def find(self, session: Session) -> str | None:
        if self.analysis is None:
            return await session.action_id(self.action)
        analyses = session.store.definitions.analyses.documents
        return id_of(await find_definition(analyses, session.profile.id, self.analysis))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Filters as they were written; None lets everything through."""

    kind: str | None = None
    trigger: str | None = None
    acting: Acting
    since: str | None = None

    async def rows(
        self, session: Session, limit: int | None
    ) -> AsyncIterator[Document]:
        trail, profile = session.store.trail, session.profile.id
        trigger = self.trigger and await find_trigger(
            [trail.triggers_beginning], profile, self.trigger
        )
        query = AuditQuery(
            kind=self.kind,
            trigger=trigger,
            action=await self.acting.find(session),
            since=parse_since(self.since, session.world.now()),
        )
        reading = AuditReading(trail=trail)
        async for entry in reading.records(profile, query, limit):
            yield record_document(entry)


def record_document(entry: TrailEntry) -> Document:
    return {**entry.document, "id": entry.id, "chain": entry.chain, "seq": entry.seq}


def in_words(record: Document, names: Names) -> Document:
    """Return the record with the columns that records of all kinds have in common.

    `names` are those of actions and of analyses, by id.
    """
    match record.get("kind"):
        case "change":
            common = _change_in_words(record)
        case "release":
            common = _release_in_words(record, names)
        case _:
            common = _attempt_in_words(record, names)
    return {**record, **common}


def _change_in_words(record: Document) -> Document:
    return {
        "by": record.get("actor"),
        "what": record.get("change"),
        "about": record.get("noun"),
        "subject": record.get("subject"),
        "detail": record.get("detail"),
    }


def _release_in_words(record: Document, names: Names) -> Document:
    analysis, address = str(record.get("analysis")), record.get("address")
    version, run = record.get("secret_version"), record.get("run")
    where = "" if address is None else f", at {address}"
    return {
        "by": names.get(analysis, analysis),
        "what": "released",
        "about": "secret",
        "subject": record.get("secret"),
        "detail": f"version {version}, to run {run}, {record.get('place')}{where}",
    }


def _attempt_in_words(record: Document, names: Names) -> Document:
    action = str(record.get("action"))
    return {
        "by": names.get(action, action),
        "what": f"{record.get('outcome')}, {record.get('settlement')}",
        "about": "trigger",
        "subject": record.get("trigger"),
        "detail": record.get("reason") or record.get("receipt"),
    }
