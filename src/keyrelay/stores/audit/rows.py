"""Audit rows: records as they stand in the database, put there many at a time."""

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
class Row:
    """A record's document, as text and taken apart, and where its chain has got to."""

    head: ChainHead
    document: Document
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Insertion:
    """The statement in the database's own words; `instant` says a time in them."""

    statement: str
    instant: Callable[[datetime], object]


def text_of(document: Document) -> str:
    """Return one line of ASCII, as `encode` does, in a fraction of its time."""
    text = msgspec.json.encode(document).decode()
    return text if text.isascii() else encode(document)


async def add_rows(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    into = _insertion(connection.dialect)
    # Past what SQLAlchemy does with each value: it took as long as all the database's
    # own work. The documents' texts are printable, so that no label needs its care.
    await connection.exec_driver_sql(
        into.statement, [_bound(row, into.instant) for row in rows]
    )


async def unkept(
    connection: AsyncConnection, documents: Sequence[Document]
) -> Sequence[Document]:
    """Return the documents of those records that are not there."""
    ids = [str(document["id"]) for document in documents]
    wanted = select(audit_records.c.id).where(audit_records.c.id.in_(ids))
    kept = set(await connection.scalars(wanted))
    return [document for document in documents if document["id"] not in kept]


@lru_cache(maxsize=2)
def _insertion(dialect: Dialect) -> _Insertion:
    instant = audit_records.c.at.type.dialect_impl(dialect).bind_processor(dialect)
    assert instant is not None
    statement = insert(audit_records).compile(dialect=dialect)
    return _Insertion(statement=str(statement), instant=instant)


def _bound(row: Row, instant: Callable[[datetime], object]) -> tuple[object, ...]:
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
