"""Document writing: definitions stored as they were sent, within a transaction."""

import json
from dataclasses import dataclass, replace
from typing import Generic

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition, without_read_only
from keyrelay.stores.definitions.document_kind import D, Document, DocumentKind
from keyrelay.stores.definitions.journal import Writing
from keyrelay.stores.definitions.listing import (
    forget_tags,
    keep_tags,
    require_own_name,
)
from keyrelay.stores.definitions.stored_document import (
    AnyStored,
    StoredDocument,
    etag_of,
    name_of,
    stored_of,
)
from keyrelay.stores.definitions.wildcard import fold
from keyrelay.stores.refusals import NotFound, require_expected
from keyrelay.stores.schedules import forget_schedule
from keyrelay.stores.unreadable import ONE, read_rows, require_readable


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentWriting(Generic[D]):
    """Writes definitions of one noun, each with its companion.

    Each method raises as those of DocumentStore do.
    """

    kind: DocumentKind[D]
    writing: Writing

    async def create(
        self, definition: D, document: Document, *, unique: bool = False
    ) -> StoredDocument:
        """Store the document that the definition was read from."""
        writing, id_ = self.writing, definition.tagged.id
        stored = StoredDocument(
            id=id_, document=document, created_at=writing.at, updated_at=writing.at
        )
        await self._check(definition, unique=unique)
        row = {"id": id_, "profile": writing.profile, "created_at": stored.created_at}
        await writing.connection.execute(
            insert(self.kind.table).values(row | self._row(definition, stored))
        )
        noted = await self._noted(definition, Change.CREATED, definition.name, stored)
        if self.kind.companion is not None:
            await self.kind.companion.created(writing, definition)
        return noted

    async def edit(
        self,
        id_: str,
        changes: Document,
        *,
        unique: bool = False,
        expected: str | None = None,
    ) -> StoredDocument:
        changes = without_read_only(changes)
        if not changes:
            raise InvalidDefinition("an edit gives at least one field")
        found = await self._expected(id_, expected)
        before = require_readable(found, id_)
        await self.writing.require_sound(self.kind.noun, id_)
        document = {**before.document, **changes}
        definition = self.kind.parse(document, id_, self.writing.profile)
        await self._check(definition, unique=unique and "name" in changes)
        stored = replace(before, document=document, updated_at=self.writing.at)
        edited = update(self.kind.table).where(self.kind.table.c.id == id_)
        row = self._row(definition, stored)
        await self.writing.connection.execute(edited.values(row))
        detail = f"{definition.name}: {', '.join(sorted(changes))}"
        noted = await self._noted(definition, Change.EDITED, detail, stored)
        if self.kind.companion is not None:
            was = self.kind.parse(before.document, id_, self.writing.profile)
            await self.kind.companion.edited(self.writing, was, definition)
        return noted

    async def delete(self, id_: str, *, expected: str | None = None) -> None:
        writing, noun, table = self.writing, self.kind.noun, self.kind.table
        before = await self._expected(id_, expected)
        await writing.connection.execute(delete(table).where(table.c.id == id_))
        await forget_tags(writing.connection, noun, id_)
        await forget_schedule(writing.connection, noun, id_)
        await writing.note(noun, id_, Change.DELETED, name_of(before))
        if self.kind.companion is not None:
            await self.kind.companion.deleted(writing, id_)

    async def _check(self, definition: D, *, unique: bool) -> None:
        connection = self.writing.connection
        await self.kind.check(connection, definition)
        if unique:
            noun, table, name = self.kind.noun, self.kind.table, definition.name
            await require_own_name(connection, table, noun, definition.tagged, name)

    async def _expected(self, id_: str, expected: str | None) -> AnyStored:
        connection, profile = self.writing.connection, self.writing.profile
        found = await find_document(connection, self.kind, profile, id_)
        require_expected(expected, etag_of(found), f"{self.kind.noun} {id_}")
        return found

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
        self, definition: D, change: Change, detail: str, stored: StoredDocument
    ) -> StoredDocument:
        noun = self.kind.noun
        await keep_tags(self.writing.connection, noun, definition.tagged)
        generation = await self.writing.note(noun, stored.id, change, detail)
        return replace(stored, etag=str(generation))


async def find_document(
    connection: AsyncConnection, kind: DocumentKind[D], profile: str, id_: str
) -> AnyStored:
    """Raises NotFound."""
    table = kind.table
    wanted = select(table).where(table.c.profile == profile, table.c.id == id_)
    for stored in await read_rows(connection, wanted, ONE, stored_of):
        return stored
    raise NotFound(kind.noun, id_)
