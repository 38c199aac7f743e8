"""Tail: what was recorded since the last look, each record once.

Each process appends to a chain of its own, so that how far each chain has got says
what is new. By its time a record would be passed over that was made early and kept
late, as after an outage of the database.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from keyrelay.databases.database import Database
from keyrelay.model.audit_document import Document, decode
from keyrelay.stores.schema.tables import audit_chains, audit_records
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_all, read_rows

PAGE = 200  # records

_RECORDS = audit_records.c
_HEADS = select(audit_chains.c.id, audit_chains.c.head_seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class TailRecord:
    """A record's place in its chain, and its profile; None, it cannot be read."""

    seq: int
    profile: str
    document: Document | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The records of a chain behind `after`, up to `last`."""

    chain: str
    after: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTail:
    """Each method raises Unavailable."""

    database: Database

    async def heads(self) -> Mapping[str, int]:
        """Return how many records each chain has."""
        async with self.database.reading() as connection:
            found = await read_all(connection, _HEADS, {}, _head)
        return dict(row for row in found if not isinstance(row, UnreadableRow))

    async def page(
        self, span: Span, profiles: Collection[str]
    ) -> tuple[Sequence[TailRecord], int]:
        """Return the first records of the span that are of these profiles.

        With them comes up to which one of the chain it was read.
        """
        wanted = (
            select(_RECORDS.seq, _RECORDS.profile, _RECORDS.document)
            .where(
                _RECORDS.chain == span.chain,
                _RECORDS.seq > span.after,
                _RECORDS.seq <= span.last,
                _RECORDS.profile.in_(profiles),
            )
            .order_by(_RECORDS.seq)
        )
        async with self.database.reading() as connection:
            found = await read_rows(connection, wanted, Slice(0, PAGE), _record)
        read = [row for row in found if not isinstance(row, UnreadableRow)]
        full = len(found) == PAGE and len(read) > 0
        return read, read[-1].seq if full else span.last


def _head(row: AnyRow) -> tuple[str, int]:
    """Raises TypeError for what no process writes."""
    if not isinstance(row.id, str) or not isinstance(row.head_seq, int):
        raise TypeError
    return row.id, row.head_seq


def _record(row: AnyRow) -> TailRecord:
    """Raises TypeError for what no process writes."""
    if not isinstance(row.profile, str) or not isinstance(row.document, str):
        raise TypeError
    return TailRecord(seq=row.seq, profile=row.profile, document=decode(row.document))
