"""Rows: read so that one which nobody of ours wrote harms none but itself."""

from collections.abc import AsyncIterator, Sequence

import structlog
from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

CHUNK = 500  # the loop is ours for one chunk at a time

Place = tuple[str, str]  # profile, id
AnyRow = Row[tuple[object, ...]]


async def places_in(connection: AsyncConnection, table: Table) -> list[Place]:
    rows = await connection.execute(select(table.c.profile, table.c.id))
    return [(row.profile, row.id) for row in rows]


async def rows_of(
    connection: AsyncConnection, table: Table, ids: Sequence[str]
) -> AsyncIterator[AnyRow]:
    """Yield the rows of these ids that are there and can be read at all."""
    for first in range(0, len(ids), CHUNK):
        for row in await _read(connection, table, ids[first : first + CHUNK]):
            yield row


async def _read(
    connection: AsyncConnection, table: Table, ids: Sequence[str]
) -> Sequence[AnyRow]:
    try:
        wanted = select(table).where(table.c.id.in_(ids))
        return (await connection.execute(wanted)).all()
    except (ValueError, TypeError):
        # SQLite keeps a text in a column of numbers, if somebody puts it there.
        if len(ids) == 1:
            what = {"noun": table.name, "id": ids[0]}
            log.error("definition left out", why="unreadable", **what)  # noqa: TRY400
            return []
        alone = [await _read(connection, table, [id_]) for id_ in ids]
        return [row for rows in alone for row in rows]
