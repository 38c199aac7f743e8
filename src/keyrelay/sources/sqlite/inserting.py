"""Inserting: rows of new triggers, each put into the table once."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.sources.sqlite.rows import Columns
from keyrelay.sources.sqlite.statements import ACCEPT, YOUNGEST


async def insert(
    connection: AsyncConnection, rows: Sequence[Columns]
) -> Sequence[bool]:
    """Insert the rows that are not there; return for each whether it was inserted.

    A row that stands there twice is inserted as the first of both.
    """
    inserted = await connection.exec_driver_sql(ACCEPT, rows)
    count = inserted.rowcount
    if count in (0, len(rows)):  # as of most requests
        return [count > 0] * len(rows)
    youngest = await connection.execute(YOUNGEST, {"count": count})
    new: set[object] = {(profile, id_) for profile, id_ in youngest}
    answers: list[bool] = []
    for row in rows:
        id_ = (row["profile"], row["id"])
        answers.append(id_ in new)
        new.discard(id_)
    return answers
