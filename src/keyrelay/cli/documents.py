"""Documents: commands of actions and policies, which are stored as they were sent."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic

import typer

from keyrelay.cli.input import parse_tag_options, read_document
from keyrelay.cli.output import Document, put, put_document, put_id, say, show
from keyrelay.cli.pagination import Rows
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.cli.unreadable_view import unreadable_document, unreadable_line
from keyrelay.model.instant import wire_date
from keyrelay.services.naming import find_definition
from keyrelay.services.paging import read_pages
from keyrelay.stores.definitions.document_kind import D
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.listing import Listing, Page
from keyrelay.stores.definitions.stored_document import AnyStored, StoredDocument, id_of
from keyrelay.stores.unreadable import UnreadableRow

Active = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Switch it on or off.")
]
WholeFile = Annotated[
    str,
    typer.Option("--file", help="JSON document, or - for standard input.", metavar="F"),
]


Answered = tuple[StoredDocument, Document]


async def _nothing(_: Session, __: Sequence[str]) -> Mapping[str, Document]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents(Generic[D]):
    """`absent` holds the values of fields that a document leaves out.

    `unique`: no two have the same name, so that a name always finds one. `beside`
    returns further fields of definitions, by their ids, that are shown and listed;
    `remarks`, sentences on one that will do less than it says.
    """

    store: Callable[[Session], DocumentStore[D]]
    absent: Document
    remarks: Callable[[Session, StoredDocument], Awaitable[Sequence[str]]]
    unique: bool = False
    beside: Callable[[Session, Sequence[str]], Awaitable[Mapping[str, Document]]] = (
        _nothing
    )

    def create(self, ctx: typer.Context, file: str, *, as_json: bool) -> None:
        document = read_document(file)

        async def work(session: Session) -> Answered:
            store = self.store(session)
            stored = await store.create(
                session.profile.id, document, session.actor, unique=self.unique
            )
            return stored, await self._shown(session, stored)

        self._answer(*perform(ctx, work), as_json=as_json)

    def edit(
        self, ctx: typer.Context, name: str, changes: Document, *, as_json: bool
    ) -> None:
        if not changes:
            raise WrongUsage("say what to change, with --file or a switch; see --help")

        async def work(session: Session) -> Answered:
            store = self.store(session)
            id_ = id_of(await find_definition(store, session.profile.id, name))
            stored = await store.edit(
                session.profile.id, id_, changes, session.actor, unique=self.unique
            )
            return stored, await self._shown(session, stored)

        self._answer(*perform(ctx, work), as_json=as_json)

    def show(self, ctx: typer.Context, name: str, *, as_json: bool) -> None:
        async def work(session: Session) -> Document:
            store = self.store(session)
            found = await find_definition(store, session.profile.id, name)
            if isinstance(found, UnreadableRow):
                return unreadable_document(found)
            return await self._shown(session, found)

        document = perform(ctx, work)
        if as_json:
            put_document(document)
            return
        show({name: each for name, each in document.items() if name != "remarks"})
        _say_remarks(document)

    def delete(self, ctx: typer.Context, name: str, *, as_json: bool) -> None:
        async def work(session: Session) -> str:
            store = self.store(session)
            id_ = id_of(await find_definition(store, session.profile.id, name))
            await store.delete(session.profile.id, id_, session.actor)
            return id_

        put_id(perform(ctx, work), as_json=as_json)

    def rows(self, name: str | None, tag: Sequence[str] | None) -> Rows:
        tags = parse_tag_options(tag or ())

        async def rows(session: Session, limit: int | None) -> AsyncIterator[Document]:
            beside = dict[str, Document]()

            async def fetch(page: int, amount: int) -> Sequence[AnyStored]:
                listing = Listing(page=Page(page, amount), name=name, tags=tags)
                found = await self.store(session).list(session.profile.id, listing)
                beside.update(await self.beside(session, [*map(id_of, found)]))
                return found

            async for stored in read_pages(fetch, id_of, limit):
                match stored:
                    case UnreadableRow():
                        yield unreadable_line(stored, "name")
                    case _:
                        more = beside.get(stored.id, {})
                        yield {**self.document(stored), **more}

        return rows

    def document(self, stored: StoredDocument) -> Document:
        return {
            "id": stored.id,
            **self.absent,
            **stored.document,
            "created_at": wire_date(stored.created_at),
            "updated_at": wire_date(stored.updated_at),
        }

    async def _shown(self, session: Session, stored: StoredDocument) -> Document:
        beside = await self.beside(session, [stored.id])
        remarks = list(await self.remarks(session, stored))
        more = {**beside.get(stored.id, {}), "remarks": remarks}
        return {**self.document(stored), **more}

    def _answer(
        self, stored: StoredDocument, shown: Document, *, as_json: bool
    ) -> None:
        if as_json:
            put_document(shown)
        else:
            put(stored.id)
            _say_remarks(shown)


def _say_remarks(shown: Document) -> None:
    remarks = shown.get("remarks")
    for remark in remarks if isinstance(remarks, list) else ():
        say(str(remark))


def changes_of(file: str | None, switches: dict[str, bool | None]) -> Document:
    """Return the fields that an edit replaces: its document's, and set switches."""
    document = {} if file is None else read_document(file)
    set_ = {name: value for name, value in switches.items() if value is not None}
    return {**document, **set_}
