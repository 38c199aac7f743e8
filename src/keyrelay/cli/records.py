"""Records: what the audit trail holds, listed and shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.cli.moments import parse_past
from keyrelay.cli.names import action_called
from keyrelay.cli.output import Document
from keyrelay.cli.pages import Fetch
from keyrelay.cli.session import Session
from keyrelay.stores.audit.trail import AuditQuery, TrailEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which records are wanted; what is None does not matter."""

    kind: str | None = None
    trigger: str | None = None
    action: str | None = None
    since: str | None = None

    def fetch(self) -> Fetch:
        async def fetch(session: Session, page: int, amount: int) -> list[Document]:
            now = session.store.audit_log.world.now()
            query = AuditQuery(
                kind=self.kind,
                trigger=self.trigger,
                action=await action_called(session, self.action),
                since=None if self.since is None else parse_past(self.since, now),
                page=page,
                amount=amount,
            )
            found = await session.store.trail.list(session.profile.id, query)
            return [document_of(entry) for entry in found]

        return fetch


def document_of(entry: TrailEntry) -> Document:
    return {**entry.document, "id": entry.id, "chain": entry.chain, "seq": entry.seq}


def in_words(record: Mapping[str, object]) -> Document:
    """Return the record with what its columns in a table have in common."""
    changed = record.get("kind") == "change"
    subject = f"{record.get('noun')} {record.get('subject')}"
    outcome = f"{record.get('outcome')}, {record.get('settlement')}"
    return {
        **record,
        "by": record.get("actor") or f"action {record.get('action')}",
        "what": record.get("change") if changed else outcome,
        "about": subject if changed else f"trigger {record.get('trigger')}",
        "detail": record.get("detail") if changed else _why(record),
    }


def _why(record: Mapping[str, object]) -> object:
    return record.get("reason") or record.get("receipt")
