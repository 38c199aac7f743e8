"""Pagination: lists of any length, all of it as JSON, or the first rows as a table."""

from collections.abc import AsyncIterator, Callable, Sequence

import typer

from keyrelay.cli.columns import Column
from keyrelay.cli.fitted import put_table
from keyrelay.cli.output import Document, put_json, say
from keyrelay.cli.session import Session, perform

_IN_A_TABLE = 100

# Returns the entries of a list, and not more of them than the limit.
Rows = Callable[[Session, int | None], AsyncIterator[Document]]


def list_all(
    ctx: typer.Context,
    rows: Rows,
    columns: Sequence[Column],
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """Print them all as JSON; in a table the first, saying if there are more."""

    async def work(session: Session) -> None:
        if as_json:
            await put_json(rows(session, limit))
            return
        most = limit or _IN_A_TABLE
        found = [document async for document in rows(session, most + 1)]
        await put_table(session, found[:most], columns)
        if len(found) > most:
            say(f"… and more; --limit {most * 10} shows more of them")

    perform(ctx, work)
