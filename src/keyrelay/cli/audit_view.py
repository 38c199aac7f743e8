"""Audit view: which audit records are listed, and how one is shown."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from keyrelay.cli.output import Document
from keyrelay.cli.session import Session
from keyrelay.cli.times import parse_since
from keyrelay.services.audit import AuditReading
from keyrelay.services.naming import find_trigger
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import TrailEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Filters as they were written; None lets everything through."""

    kind: str | None = None
    trigger: str | None = None
    action: str | None = None
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
            action=await session.action_id(self.action),
            since=parse_since(self.since, session.world.now()),
        )
        reading = AuditReading(trail=trail)
        async for entry in reading.records(profile, query, limit):
            yield record_document(entry)


def record_document(entry: TrailEntry) -> Document:
    return {**entry.document, "id": entry.id, "chain": entry.chain, "seq": entry.seq}


def in_words(record: Mapping[str, object], names: Mapping[str, str]) -> Document:
    """Return the record with the columns that attempts and changes have in common.

    `names` are those of actions, by id.
    """
    changed = record.get("kind") == "change"
    action = str(record.get("action"))
    outcome = f"{record.get('outcome')}, {record.get('settlement')}"
    return {
        **record,
        "by": record.get("actor") or names.get(action, action),
        "what": record.get("change") if changed else outcome,
        "about": record.get("noun") if changed else "trigger",
        "subject": record.get("subject") if changed else record.get("trigger"),
        "detail": record.get("detail") if changed else _why(record),
    }


def _why(record: Mapping[str, object]) -> object:
    return record.get("reason") or record.get("receipt")
