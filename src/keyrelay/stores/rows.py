"""Rows: read so that one unreadable row does not prevent reading the others."""

import logging
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import Column, Row, Table, collate, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database, begins
from keyrelay.model.ids import Beginnings

log = logging.getLogger(__name__)

CHUNK = 500  # rows, between which other tasks get their turn

ScopedId = tuple[str, str]  # profile, id: an id is unique in its profile alone
AnyRow = Row[tuple[object, ...]]


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
    by_bytes = collate(column, "C") if database.is_shared else column
    found = (
        select(by_bytes)
        .where(column.table.c.profile == profile, begins(by_bytes, sought.texts))
        .distinct()
        .order_by(by_bytes)
        .limit(sought.most)
    )
    async with database.reading() as connection:
        return (await connection.scalars(found)).all()


async def rows_of(
    connection: AsyncConnection, table: Table, ids: Sequence[str]
) -> AsyncIterator[AnyRow]:
    """Yield the rows of these ids that are there and can be read at all."""
    for first in range(0, len(ids), CHUNK):
        for row in await _read(connection, table, ids[first : first + CHUNK]):
            yield row


def log_left_out(noun: str, id_: str, reason: str) -> None:
    extra = {"noun": noun, "id": id_, "reason": reason}
    log.error("definition left out", extra=extra)


async def _read(
    connection: AsyncConnection, table: Table, ids: Sequence[str]
) -> Sequence[AnyRow]:
    try:
        wanted = select(table).where(table.c.id.in_(ids))
        return (await connection.execute(wanted)).all()
    except (ValueError, TypeError):
        # SQLite keeps text in a column of numbers if a row was edited by hand.
        if len(ids) == 1:
            return []
        alone = [await _read(connection, table, [id_]) for id_ in ids]
        return [row for rows in alone for row in rows]
