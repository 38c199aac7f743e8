"""Integrity: which definitions are not what was written, and which do not open."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.token import TokenKind
from keyrelay.ports import Unsealable
from keyrelay.stores.audit.checkpoint import Generations
from keyrelay.stores.definitions.definition_index import TABLES, DefinitionIndex
from keyrelay.stores.definitions.guard import DefinitionGuard, read_indexes
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.scripts import scripts_flaw
from keyrelay.stores.definitions.seals import SealKeys, flaw_of
from keyrelay.stores.definitions.secret_rows import sealed_of
from keyrelay.stores.definitions.token_rows import sealed_of as sealed_token_of
from keyrelay.stores.rows import ScopedId, ids_in, rows_of
from keyrelay.stores.schema.tables import profiles
from keyrelay.stores.unreadable import AnyRow
from keyrelay.vault.vault import Vault

_NONE = DefinitionIndex(broken="it belongs to no profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """Whether a definition is what was written, and opens; `flaw` says why not.

    `profile` is the profile's name, `key` what people call the definition. Without an
    `id`, the flaw is that of all definitions of the profile.
    """

    profile: str
    noun: str
    id: str
    key: str
    flaw: str | None


async def check_definitions(
    database: Database, guard: DefinitionGuard
) -> AsyncIterator[Soundness]:
    """Check every definition of every profile, and open all that is sealed.

    Raises Unavailable.
    """
    noted = await guard.noted()
    async for each in _check(database, await guard.keys(), noted, guard.vault):
        yield each


def check_seals(
    database: Database, keys: SealKeys, noted: Generations
) -> AsyncGenerator[Soundness, None]:
    """Check every definition of every profile, and open none. Raises Unavailable."""
    return _check(database, keys, noted, None)


async def _check(
    database: Database, keys: SealKeys, noted: Generations, vault: Vault | None
) -> AsyncGenerator[Soundness, None]:
    async with database.reading() as connection:
        rows = await connection.execute(select(profiles.c.id, profiles.c.name))
        names = {row.id: row.name for row in rows}
        indexes = await read_indexes(connection, keys, noted)
        for profile, index in indexes.items():
            if index.broken:
                yield Soundness(
                    profile=names[profile],
                    noun="profile",
                    id="",
                    key="",
                    flaw=f"none of its definitions is believed: {index.broken}",
                )
        checking = _Checking(connection=connection, keys=keys, indexes=indexes)
        for noun in Noun:
            async for (profile, id_), key, flaw in checking.check(noun, vault):
                yield Soundness(
                    profile=names.get(profile, profile),
                    noun=noun,
                    id=id_,
                    key=key,
                    flaw=flaw,
                )


async def opening_flaw(row: AnyRow, vault: Vault) -> str | None:
    return await _opening_flaw(lambda: vault.verify(sealed_of(row)))


async def _token_flaw(row: AnyRow, vault: Vault) -> str | None:
    def opening() -> Awaitable[object]:
        sealed = sealed_token_of(row)
        return vault.open_token(sealed.token, sealed.envelope)

    return await _opening_flaw(opening)


async def _opening_flaw(opening: Callable[[], Awaitable[object]]) -> str | None:
    try:
        await opening()
    except Unsealable as flaw:
        return str(flaw)
    except (ValueError, TypeError):
        return "its row is not what was written"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checking:
    connection: AsyncConnection
    keys: SealKeys
    indexes: Mapping[str, DefinitionIndex]

    async def check(
        self, noun: Noun, vault: Vault | None
    ) -> AsyncIterator[tuple[ScopedId, str, str | None]]:
        """Yield each definition there is or should be: its id, its name, its flaw."""
        table = TABLES[noun]
        unseen = dict.fromkeys(await ids_in(self.connection, table))
        ids = [id_ for _, id_ in unseen]
        unseen |= dict.fromkeys(self._listed(noun))
        async for row in rows_of(self.connection, table, ids):
            scoped = (row.profile, row.id)
            unseen.pop(scoped, None)
            name = row.key if noun is Noun.SECRET else row.name
            yield scoped, str(name), await self._flaw(noun, row, vault)
        for scoped in unseen:
            yield scoped, "", "its row is missing or cannot be read"

    async def _flaw(self, noun: Noun, row: AnyRow, vault: Vault | None) -> str | None:
        index = self.indexes.get(row.profile, _NONE)
        flaws = []
        if not index.broken:
            entry = index.entry((noun, row.id))
            flaws.append(flaw_of(self.keys, noun, row._asdict(), entry))
        if noun is Noun.SECRET and vault is not None:
            flaws.append(await opening_flaw(row, vault))
        is_sealed = noun is Noun.TOKEN and row.kind == TokenKind.ANALYSIS.word
        if is_sealed and vault is not None:
            flaws.append(await _token_flaw(row, vault))
        if noun is Noun.ANALYSIS and vault is not None:
            flaws.append(await self._scripts_flaw(row))
        return "; ".join(flaw for flaw in flaws if flaw is not None) or None

    async def _scripts_flaw(self, row: AnyRow) -> str | None:
        try:
            return await scripts_flaw(self.connection, row)
        except InvalidDefinition as fault:
            return str(fault)

    def _listed(self, noun: Noun) -> list[ScopedId]:
        return [
            (profile, id_)
            for profile, index in self.indexes.items()
            for listed, id_ in index.entries
            if listed is noun and not index.broken
        ]
