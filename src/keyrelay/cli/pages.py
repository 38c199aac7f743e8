"""Pages: lists of any length, read a page at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import typer

from keyrelay.cli.output import Document, put_json, say, show_table
from keyrelay.cli.session import Session, perform

_PAGE = 500
_IN_A_TABLE = 100

Fetch = Callable[[Session, int, int], Awaitable[Sequence[Document]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """`fetch` returns a page of so many; `key` is the field that tells two apart."""

    fetch: Fetch
    columns: Sequence[str]
    key: str = "id"

    async def read(
        self, session: Session, limit: int | None
    ) -> AsyncIterator[Document]:
        """Yield each once: what is added meanwhile pushes others to the next page."""
        seen = set[object]()
        number, full = 1, True
        while full:
            page = await self.fetch(session, number, _PAGE)
            for document in page:
                if len(seen) == limit:
                    return
                if document[self.key] not in seen:
                    seen.add(document[self.key])
                    yield document
            number, full = number + 1, len(page) == _PAGE


def list_all(
    ctx: typer.Context, pages: Pages, limit: int | None, *, as_json: bool
) -> None:
    """Print them all as JSON; in a table the first, saying if there are more."""

    async def work(session: Session) -> None:
        if as_json:
            await put_json(pages.read(session, limit))
            return
        most = limit or _IN_A_TABLE
        found = [document async for document in pages.read(session, most + 1)]
        show_table(found[:most], pages.columns)
        if len(found) > most:
            say(f"… and more; --limit {most * 10} shows more of them")

    perform(ctx, work)
