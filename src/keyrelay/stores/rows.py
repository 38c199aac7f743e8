"""Rows: read so that one unreadable row does not prevent reading the others."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, collate, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database, begins
from keyrelay.model.ids import Beginnings
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_all, read_rows

log = logging.getLogger(__name__)

CHUNK = 500  # rows, between which other tasks get their turn

ScopedId = tuple[str, str]  # profile, id: an id is unique in its profile alone


async def ids_in(connection: AsyncConnection, table: Table) -> list[ScopedId]:
    rows = await connection.execute(select(table.c.profile, table.c.id))
    return [(row.profile, row.id) for row in rows]


async def ids_beginning(
    database: Database, column: Column[str], profile: str, sought: Beginnings
) -> Sequence[str]:
    """Return the ids in that column that begin so, sorted, each once.

    Raises Unavailable.
    """
    # Ids of claims are not sorted by bytes on a server unless that is asked for.
    by_bytes: ColumnElement[Any] = (
        collate(column, "C") if database.is_shared else column
    )
    found = (
        select(by_bytes)
        .where(column.table.c.profile == profile, begins(by_bytes, sought.texts))
        .distinct()
        .order_by(by_bytes)
    )
    async with database.reading() as connection:
        rows = Slice(0, sought.most)
        ids = await read_rows(connection, found, rows, lambda row: str(row[0]))
    return [id_ for id_ in ids if isinstance(id_, str)]


async def rows_of(
    connection: AsyncConnection, table: Table, ids: Sequence[str]
) -> AsyncIterator[AnyRow]:
    """Yield the rows of these ids that are there and can be read at all."""
    for first in range(0, len(ids), CHUNK):
        wanted = select(table).where(table.c.id.in_(ids[first : first + CHUNK]))
        for row in await read_all(connection, wanted, {}, lambda row: row):
            if not isinstance(row, UnreadableRow):
                yield row


def log_left_out(noun: str, id_: str, reason: str) -> None:
    extra = {"noun": noun, "id": id_, "reason": reason}
    log.error("definition left out", extra=extra)
