"""Audit rows: records as the database stores them, inserted many at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import Dialect, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import Document, columns_of, encode
from keyrelay.stores.audit.chain import ChainHead
from keyrelay.stores.schema.tables import audit_records


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A record's document, the same as text, and the head of the chain after it."""

    head: ChainHead
    document: Document
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _InsertStatement:
    """SQL in the database's dialect; `instant` turns a time into its parameter."""

    statement: str
    instant: Callable[[datetime], object]


def text_of(document: Document) -> str:
    """Return what `encode` returns, one line of ASCII, in a fraction of its time."""
    text = msgspec.json.encode(document).decode()
    return text if text.isascii() else encode(document)


async def add_rows(connection: AsyncConnection, rows: Sequence[AuditRow]) -> None:
    into = _insertion(connection.dialect)
    # Without SQLAlchemy's conversion of each value, which took as long as the database
    # itself. It is not needed: what a document holds is printable.
    await connection.exec_driver_sql(
        into.statement, [_bound(row, into.instant) for row in rows]
    )


async def missing(
    connection: AsyncConnection, documents: Sequence[Document]
) -> Sequence[Document]:
    """Return the documents whose records are not in the database."""
    ids = [str(document["id"]) for document in documents]
    wanted = select(audit_records.c.id).where(audit_records.c.id.in_(ids))
    kept = set(await connection.scalars(wanted))
    return [document for document in documents if document["id"] not in kept]


@lru_cache(maxsize=2)  # one for each dialect, of which a process has one or two
def _insertion(dialect: Dialect) -> _InsertStatement:
    instant = audit_records.c.at.type.dialect_impl(dialect).bind_processor(dialect)
    assert instant is not None
    statement = insert(audit_records).compile(dialect=dialect)
    return _InsertStatement(statement=str(statement), instant=instant)


def _bound(row: AuditRow, instant: Callable[[datetime], object]) -> tuple[object, ...]:
    """Return the values in the order of the table's columns."""
    head, columns = row.head, columns_of(row.document)
    assert columns is not None
    return (
        head.chain,
        head.seq,
        columns.id,
        columns.kind,
        columns.profile,
        columns.trigger,
        columns.action,
        instant(columns.at),
        row.text,
        head.mac,
    )
