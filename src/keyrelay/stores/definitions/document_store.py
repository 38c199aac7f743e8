"""Documents: definitions stored as they were sent, as JSON beside a few columns."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    without_read_only,
)
from keyrelay.model.ids import Beginnings
from keyrelay.model.tags import Tagged
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.listing import (
    Listing,
    Noun,
    forget_tags,
    keep_tags,
    listed,
    require_own_name,
)
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import ids_beginning, rows_of
from keyrelay.stores.unreadable import (
    ONE,
    AnyRow,
    UnreadableRow,
    read_rows,
    require_readable,
)

_SORTS = {
    "name": ["folded"],
    "active": ["active", "folded"],
    "created_at": ["created_at"],
    "updated_at": ["updated_at"],
}


class Definition(Protocol):
    @property
    def tagged(self) -> Tagged: ...
    @property
    def name(self) -> str: ...
    @property
    def active(self) -> bool: ...


D = TypeVar("D", bound=Definition)

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A definition as it was sent, with its id and its times."""

    id: str
    document: Document
    created_at: datetime
    updated_at: datetime


AnyStored = StoredDocument | UnreadableRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind(Generic[D]):
    """How the definitions of one noun are parsed, checked and stored.

    `columns` returns the columns that only its table has. `check` raises
    InvalidDefinition for what refers to something that is missing or does not fit.
    """

    noun: Noun
    table: Table
    parse: Callable[[Document, str, str], D]
    columns: Callable[[D], Mapping[str, object]]
    check: Callable[[AsyncConnection, D], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStore(Generic[D]):
    """The definitions of one noun.

    Each method raises Unavailable; those that write raise InvalidDefinition, too.
    """

    database: Database
    journal: Journal
    kind: DocumentKind[D]

    async def create(
        self, profile: str, document: Document, actor: str, *, unique: bool = False
    ) -> StoredDocument:
        """Store it without read-only fields; if `unique`, under a name of its own."""
        document = without_read_only(document)
        world = self.journal.audit_log.world
        id_ = world.new_id(world.now())
        definition = self.kind.parse(document, id_, profile)
        async with self.journal.writing(profile, actor) as writing:
            stored = StoredDocument(
                id=id_, document=document, created_at=writing.at, updated_at=writing.at
            )
            await self._check(writing.connection, definition, unique=unique)
            row = {"id": id_, "profile": profile, "created_at": stored.created_at}
            await writing.connection.execute(
                insert(self.kind.table).values(row | self._row(definition, stored))
            )
            await self._note(writing, definition, Change.CREATED, definition.name)
        return stored

    async def edit(
        self,
        profile: str,
        id_: str,
        changes: Document,
        actor: str,
        *,
        unique: bool = False,
    ) -> StoredDocument:
        """Replace the fields given, as `create` takes them. Raises NotFound."""
        changes = without_read_only(changes)
        if not changes:
            raise InvalidDefinition("an edit gives at least one field")
        async with self.journal.writing(profile, actor) as writing:
            found = await self._find(writing.connection, profile, id_)
            before = require_readable(found, id_)
            await writing.require_sound(self.kind.noun, id_)
            document = {**before.document, **changes}
            definition = self.kind.parse(document, id_, profile)
            own = unique and "name" in changes
            await self._check(writing.connection, definition, unique=own)
            stored = replace(before, document=document, updated_at=writing.at)
            await writing.connection.execute(
                update(self.kind.table)
                .where(self.kind.table.c.id == id_)
                .values(self._row(definition, stored))
            )
            detail = f"{definition.name}: {', '.join(sorted(changes))}"
            await self._note(writing, definition, Change.EDITED, detail)
        return stored

    async def delete(self, profile: str, id_: str, actor: str) -> None:
        """Raises NotFound."""
        async with self.journal.writing(profile, actor) as writing:
            before = await self._find(writing.connection, profile, id_)
            await writing.connection.execute(
                delete(self.kind.table).where(self.kind.table.c.id == id_)
            )
            await forget_tags(writing.connection, self.kind.noun, id_)
            await writing.note(self.kind.noun, id_, Change.DELETED, name_of(before))

    async def get(self, profile: str, id_: str) -> AnyStored:
        """Raises NotFound."""
        async with self.database.reading() as connection:
            return await self._find(connection, profile, id_)

    async def names(self, profile: str, ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of those that are there, by id."""
        found = dict[str, str]()
        async with self.database.reading() as connection:
            async for row in rows_of(connection, self.kind.table, sorted(ids)):
                if row.profile == profile:
                    found[row.id] = row.name
        return found

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids that begin so, sorted."""
        return await ids_beginning(self.database, self.kind.table.c.id, profile, sought)

    async def list(self, profile: str, listing: Listing) -> tuple[AnyStored, ...]:
        """Return the definitions; one that cannot be read hides no others."""
        table = self.kind.table
        things = select(table).where(table.c.profile == profile)
        wanted = listed(things, table, self.kind.noun, listing, _SORTS)
        async with self.database.reading() as connection:
            return tuple(await read_rows(connection, wanted, listing.slice, _stored))

    async def _check(
        self, connection: AsyncConnection, definition: D, *, unique: bool
    ) -> None:
        await self.kind.check(connection, definition)
        if unique:
            noun, table, name = self.kind.noun, self.kind.table, definition.name
            await require_own_name(connection, table, noun, definition.tagged, name)

    async def _find(
        self, connection: AsyncConnection, profile: str, id_: str
    ) -> AnyStored:
        table = self.kind.table
        wanted = select(table).where(table.c.profile == profile, table.c.id == id_)
        for stored in await read_rows(connection, wanted, ONE, _stored):
            return stored
        raise NotFound(self.kind.noun, id_)

    def _row(self, definition: D, stored: StoredDocument) -> dict[str, object]:
        return {
            "name": definition.name,
            "folded": fold(definition.name),
            "active": definition.active,
            "document": json.dumps(stored.document),
            "updated_at": stored.updated_at,
            **self.kind.columns(definition),
        }

    async def _note(
        self, writing: Writing, definition: D, change: Change, detail: str
    ) -> None:
        id_ = definition.tagged.id
        await keep_tags(writing.connection, self.kind.noun, definition.tagged)
        await writing.note(self.kind.noun, id_, change, detail)


def id_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return stored.id
        case UnreadableRow():
            return stored.text("id")


def name_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return str(stored.document.get("name", ""))
        case UnreadableRow():
            return stored.text("name")


def _stored(row: AnyRow) -> StoredDocument:
    return StoredDocument(
        id=row.id,
        document=parse_document(str(row.document)),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
