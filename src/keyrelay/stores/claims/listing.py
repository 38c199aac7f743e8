"""Claim listing: what workers have claimed of a log and is not settled.

A claim says where a trigger stands and why it waits. For which action that is, and
what a person changed, its last audit record says.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.databases.page_sizes import page_sizes
from keyrelay.model.audit_document import Document
from keyrelay.model.backlog import (
    DUE_IN_TIME,
    QueueEntry,
    QueueQuery,
    TriggerWait,
)
from keyrelay.model.documents import parse_document
from keyrelay.stores.claims import statements
from keyrelay.stores.claims.rows import status_of
from keyrelay.stores.claims.stored import StoredClaim, read_claims
from keyrelay.stores.schema.tables import audit_records
from keyrelay.stores.unreadable import AnyRow, UnreadableRow, read_all

_PAGE = 500  # claims read at once, at most
_PAGE_OF_CLAIMS = statements.unsettled()
_RECORDS = audit_records.c
_ABOUT = (
    select(_RECORDS.trigger, _RECORDS.document)
    .where(
        _RECORDS.profile == bindparam("profile"),
        _RECORDS.trigger.in_(bindparam("ids", expanding=True)),
    )
    .order_by(_RECORDS.at)
)


async def list_claims(
    database: Database, profile: str, query: QueueQuery, after: str
) -> AsyncIterator[QueueEntry]:
    """Yield the unsettled triggers that match, by their ids. Raises Unavailable."""
    for most in page_sizes(_PAGE):
        named = {"profile": profile, "after": after, "most": most}
        async with database.reading() as connection:
            page = await read_claims(connection, _PAGE_OF_CLAIMS, named, {})
            ids = [each.arrival.id for each in page]
            records = await _last_records(connection, profile, ids)
        # The id that comes last does not lead on where it is damaged itself.
        full = len(page) == most and page[-1].arrival.id != after
        for stored in page:
            after = stored.arrival.id
            entry = _entry(stored, records.get(after, {}))
            if _matches(entry, query):
                yield entry
        if not full:
            return


async def _last_records(
    connection: AsyncConnection, profile: str, ids: Sequence[str]
) -> Mapping[str, Document]:
    """Return of each trigger what its attempts and changes say, the last over all."""
    known: dict[str, Document] = {}
    wanted = {"profile": profile, "ids": ids}
    for record in await read_all(connection, _ABOUT, wanted, _about):
        if isinstance(record, UnreadableRow):
            continue
        trigger, document = record
        if document.get("kind") == "attempt":
            known[trigger] = document
        else:
            by = f"{document.get('change')} by {document.get('actor')}"
            known[trigger] = {**known.get(trigger, {}), "reason": by}
    return known


def _about(row: AnyRow) -> tuple[str, Document]:
    return row.trigger, parse_document(str(row.document))


def _entry(stored: StoredClaim, record: Document) -> QueueEntry:
    status = status_of(stored)
    secret = record.get("waits_for") if status.state in DUE_IN_TIME else None
    wait = status.wait
    if wait.reason is None:  # a person changed it since, or it was claimed before
        wait = TriggerWait(reason=_text(record.get("reason")), secret=_text(secret))
    return QueueEntry(
        id=stored.arrival.id,
        action=_text(record.get("action")) or stored.notes.action,
        key=None,
        status=replace(status, wait=wait),
        place=stored.arrival.id,
    )


def _matches(entry: QueueEntry, query: QueueQuery) -> bool:
    wait = entry.status.wait
    uses = entry.action in query.users or wait.secret == query.secret
    reason = (wait.reason or "").casefold()
    return (
        query.state in (None, entry.status.state)
        and query.action in (None, entry.action)
        and query.accepted.holds(entry.status.accepted_at)
        and (query.secret is None or uses)
        and (query.reason is None or query.reason.casefold() in reason)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
