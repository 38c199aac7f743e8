"""Accepting: altered definitions, vouched for as they stand, with a record."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select

from keyrelay.model.audit import Change
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import Beginnings
from keyrelay.stores.definitions.definition_index import (
    TABLES,
    Subject,
    find_entry,
    generation_in,
    subjects_of,
)
from keyrelay.stores.definitions.guard import DefinitionGuard, recorded_generation
from keyrelay.stores.definitions.indexing import rebuild
from keyrelay.stores.definitions.journal import Journal, Writing
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.scripts import remove_unlisted
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import definition_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepting:
    """Each method raises Unavailable and InvalidDefinition, for an unreadable row."""

    journal: Journal
    guard: DefinitionGuard

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of definitions that begin so, there or missing, sorted."""
        columns = [table.c.id for table in (*TABLES.values(), definition_entries)]
        found = [
            await ids_beginning(
                self.journal.audit_log.database, column, profile, sought
            )
            for column in columns
        ]
        return sorted({id_ for ids in found for id_ in ids})

    async def accept(self, profile: str, id_: str, actor: str) -> None:
        """Vouch for one definition; what is not there any more, for its absence.

        Raises NotFound, and IndexBroken if all of them have to be accepted.
        """
        async with self.journal.writing(profile, actor) as writing:
            noun, _ = await _find(writing, id_)
            await _tidy(writing, [(noun, id_)])
            detail = "as it stands in the database"
            try:
                await writing.note(noun, id_, Change.ACCEPTED, detail)
            except (ValueError, TypeError):
                raise _unreadable(id_) from None

    async def accept_all(self, profile: str, actor: str) -> int:
        """Vouch for all definitions of the profile; return how many there are."""
        noted = (await self.guard.noted()).get(profile, 0)
        async with self.journal.writing(profile, actor) as writing:
            connection = writing.connection
            recorded = await recorded_generation(connection, profile, None)
            standing = await generation_in(connection, profile)
            generation = max(noted, recorded, standing) + 1
            before = [each async for each in subjects_of(connection, profile)]
            await _tidy(writing, before)
            try:
                count = await rebuild(connection, writing.keys, profile, generation)
            except (ValueError, TypeError):
                raise _unreadable("a definition") from None
            for noun, id_ in before:
                await writing.announce(noun, id_)
            detail = f"{count} definitions as they stand in the database"
            writing.record("profile", profile, Change.ACCEPTED, detail, generation)
        return count


async def _find(writing: Writing, id_: str) -> Subject:
    """Return the definition that is there, or that the index says should be."""
    for noun, table in TABLES.items():
        there = exists().where(table.c.profile == writing.profile, table.c.id == id_)
        if await writing.connection.scalar(select(there)):
            return noun, id_
    for noun in TABLES:
        subject = (noun, id_)
        if await find_entry(writing.connection, writing.profile, subject):
            return subject
    raise NotFound("definition", id_)


async def _tidy(writing: Writing, subjects: Sequence[Subject]) -> None:
    """Remove scripts that no analysis lists: nothing would vouch for them."""
    listed = [id_ for noun, id_ in subjects if noun is Noun.ANALYSIS]
    await remove_unlisted(writing.connection, listed)


def _unreadable(what: str) -> InvalidDefinition:
    return InvalidDefinition(f"{what} cannot be read: delete it, or restore its row")
