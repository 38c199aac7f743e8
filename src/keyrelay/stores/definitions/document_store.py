"""Documents: definitions stored as they were sent, as JSON beside a few columns."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic

from sqlalchemy import select

from keyrelay.databases.database import Database
from keyrelay.model.documents import without_read_only
from keyrelay.model.ids import Beginnings
from keyrelay.stores.definitions.document_kind import D, Document, DocumentKind
from keyrelay.stores.definitions.document_writing import (
    DocumentWriting,
    find_document,
)
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.last_time_order import by_last_time
from keyrelay.stores.definitions.listing import Listing, listed
from keyrelay.stores.definitions.stored_document import (
    AnyStored,
    StoredDocument,
    stored_of,
)
from keyrelay.stores.rows import ids_beginning, rows_of
from keyrelay.stores.unreadable import read_parts


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
        definition = self.kind.parse(document, world.new_id(world.now()), profile)
        async with self._writing(profile, actor) as within:
            return await within.create(definition, document, unique=unique)

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
        async with self._writing(profile, actor) as within:
            return await within.edit(id_, changes, unique=unique, expected=expected)

    async def delete(
        self, profile: str, id_: str, actor: str, *, expected: str | None = None
    ) -> None:
        """Raises NotFound and Outdated."""
        async with self.journal.writing(profile, actor) as writing:
            within = DocumentWriting(kind=self.kind, writing=writing)
            await within.delete(id_, expected=expected)

    async def get(self, profile: str, id_: str) -> AnyStored:
        """Raises NotFound."""
        async with self.database.reading() as connection:
            return await find_document(connection, self.kind, profile, id_)

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
                await read_parts(connection, parts, listing.page.slice, stored_of)
            )

    @asynccontextmanager
    async def _writing(
        self, profile: str, actor: str
    ) -> AsyncIterator[DocumentWriting[D]]:
        if self.kind.companion is not None:
            # Keys are at hand then, so that no other writer waits for one.
            await self.journal.audit_log.vault.unsealed()
        async with self.journal.writing(profile, actor) as writing:
            yield DocumentWriting(kind=self.kind, writing=writing)
