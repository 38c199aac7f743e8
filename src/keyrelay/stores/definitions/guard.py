"""Guard: what a profile's definitions are compared with before they are believed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import decode
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import (
    CheckpointFile,
    CheckpointForged,
    Generations,
)
from keyrelay.stores.definitions.definition_index import DefinitionIndex, read_index
from keyrelay.stores.definitions.seals import SealKeys, seal_keys
from keyrelay.stores.schema.tables import audit_records, profiles
from keyrelay.vault.vault import Vault

NO_GENERATION = -1
_NEWEST = 200  # records of a profile: clocks of machines differ, so not the last alone

_RECORDS = audit_records.c


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionGuard:
    """The keys of the vault, and the generations in the checkpoint."""

    vault: Vault
    checkpoint: CheckpointFile

    async def keys(self) -> SealKeys:
        """Raises Unavailable while the vault is sealed."""
        return await seal_keys(self.vault)

    async def noted(self) -> Generations:
        """Return the generations in the checkpoint. Raises Unavailable."""
        signature = await self.vault.authenticator(CHECKPOINT)
        try:
            noted = await asyncio.to_thread(self.checkpoint.read, signature)
        except (CheckpointForged, OSError) as fault:
            raise Unavailable(str(fault)) from None
        return {} if noted is None else noted.generations


async def read_indexes(
    connection: AsyncConnection, keys: SealKeys, noted: Generations
) -> Mapping[str, DefinitionIndex]:
    """Read the index of each profile; none is believed that has gone back."""
    found = {}
    for profile in (await connection.scalars(select(profiles.c.id))).all():
        index = await read_index(connection, keys, profile)
        recorded = await recorded_generation(connection, profile)
        known = max(recorded, noted.get(profile, 0))
        found[profile] = not_before(index, known)
    return found


def not_before(index: DefinitionIndex, known: int) -> DefinitionIndex:
    """Return the index; broken, if it is older than the generation that is known."""
    if index.broken or index.head.generation >= known:
        return index
    what = f"its definitions are of generation {index.head.generation}"
    return replace(index, broken=f"{what}, and were of generation {known} before")


async def recorded_generation(
    connection: AsyncConnection, profile: str, newest: int | None = _NEWEST
) -> int:
    """Return the highest generation in the newest records of changes; None, in all.

    Returns NO_GENERATION if none of them has one.
    """
    changes = (
        select(_RECORDS.document)
        .where(_RECORDS.profile == profile, _RECORDS.kind == "change")
        .order_by(_RECORDS.at.desc())
        .limit(newest)
    )
    highest = NO_GENERATION
    for text in await connection.scalars(changes):
        match (decode(text) or {}).get("generation"):
            case int(generation):
                highest = max(highest, generation)
            case _:
                pass
    return highest
