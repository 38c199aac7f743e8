"""Documents: definitions stored as they were sent, as JSON beside a few columns."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.documents import (
    InvalidDefinition,
    parse_document,
    without_read_only,
)
from keyrelay.model.ids import Beginnings
from keyrelay.stores.definitions.document_kind import D, Document, DocumentKind
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.last_time_order import by_last_time
from keyrelay.stores.definitions.listing import (
    Listing,
    forget_tags,
    keep_tags,
    listed,
    require_own_name,
)
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.refusals import NotFound, require_expected
from keyrelay.stores.rows import ids_beginning, rows_of
from keyrelay.stores.unreadable import (
    ONE,
    AnyRow,
    UnreadableRow,
    read_parts,
    read_rows,
    require_readable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A definition as it was sent, with its id and its times.

    `etag` is opaque, and another one after each change.
    """

    id: str
    document: Document
    created_at: datetime
    updated_at: datetime
    etag: str = ""


AnyStored = StoredDocument | UnreadableRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStore(Generic[D]):
    """The definitions of one noun.

    Each method raises Unavailable; those that write raise InvalidDefinition, too, and
    Outdated for an etag that is not the one expected.
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
            return await self._noted(
                writing, definition, Change.CREATED, definition.name, stored
            )

    async def edit(
        self,
        profile: str,
        id_: str,
        changes: Document,
        actor: str,
        *,
        unique: bool = False,
        expected: str | None = None,
    ) -> StoredDocument:
        """Replace the fields given, as `create` does. Raises NotFound and Outdated."""
        changes = without_read_only(changes)
        if not changes:
            raise InvalidDefinition("an edit gives at least one field")
        async with self.journal.writing(profile, actor) as writing:
            found = await self._expected(writing, id_, expected)
            before = require_readable(found, id_)
            await writing.require_sound(self.kind.noun, id_)
            document = {**before.document, **changes}
            definition = self.kind.parse(document, id_, profile)
            own = unique and "name" in changes
            await self._check(writing.connection, definition, unique=own)
            stored = replace(before, document=document, updated_at=writing.at)
            edited = update(self.kind.table).where(self.kind.table.c.id == id_)
            row = self._row(definition, stored)
            await writing.connection.execute(edited.values(row))
            detail = f"{definition.name}: {', '.join(sorted(changes))}"
            return await self._noted(writing, definition, Change.EDITED, detail, stored)

    async def delete(
        self, profile: str, id_: str, actor: str, *, expected: str | None = None
    ) -> None:
        """Raises NotFound and Outdated."""
        async with self.journal.writing(profile, actor) as writing:
            before = await self._expected(writing, id_, expected)
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
        table, noun, orders = self.kind.table, self.kind.noun, self.kind.orders
        if listing.order.by is not None and listing.order.by == orders.last_time:
            parts = by_last_time(profile, table, noun, listing)
        else:
            things = select(table).where(table.c.profile == profile)
            parts = [listed(things, table, noun, listing, orders.sorts)]
        async with self.database.reading() as connection:
            return tuple(
                await read_parts(connection, parts, listing.page.slice, _stored)
            )

    async def _check(
        self, connection: AsyncConnection, definition: D, *, unique: bool
    ) -> None:
        await self.kind.check(connection, definition)
        if unique:
            noun, table, name = self.kind.noun, self.kind.table, definition.name
            await require_own_name(connection, table, noun, definition.tagged, name)

    async def _expected(
        self, writing: Writing, id_: str, expected: str | None
    ) -> AnyStored:
        found = await self._find(writing.connection, writing.profile, id_)
        require_expected(expected, etag_of(found), f"{self.kind.noun} {id_}")
        return found

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

    async def _noted(
        self,
        writing: Writing,
        definition: D,
        change: Change,
        detail: str,
        stored: StoredDocument,
    ) -> StoredDocument:
        await keep_tags(writing.connection, self.kind.noun, definition.tagged)
        generation = await writing.note(self.kind.noun, stored.id, change, detail)
        return replace(stored, etag=str(generation))


def id_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return stored.id
        case UnreadableRow():
            return stored.text("id")


def etag_of(stored: AnyStored) -> str:
    match stored:
        case StoredDocument():
            return stored.etag
        case UnreadableRow():
            return stored.text("generation")


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
        etag=str(row.generation),
    )
