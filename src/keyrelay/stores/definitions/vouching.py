"""Vouching: the first index of definitions that were written before there was one."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change
from keyrelay.stores.audit.log import ChainedLog
from keyrelay.stores.definitions.definition_index import TABLES, subjects_of
from keyrelay.stores.definitions.guard import (
    NO_GENERATION,
    DefinitionGuard,
    recorded_generation,
)
from keyrelay.stores.definitions.indexing import rebuild
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.integrity import opening_flaw
from keyrelay.stores.rows import rows_of
from keyrelay.stores.schema.tables import (
    definition_heads,
    installation,
    profiles,
    secret_versions,
    secrets,
)
from keyrelay.stores.unreadable import AnyRow
from keyrelay.vault.framing import frame
from keyrelay.vault.vault import Vault

# How the versions of all secrets were authenticated before there was an index.
_LABEL, _CONTEXT = "versions", "keyrelay/versions/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What there is of a profile that has no index yet, and what is wrong with it."""

    profile: str
    name: str
    counts: Mapping[Noun, int]
    flaws: Sequence[str]


async def find_unvouched(
    audit_log: ChainedLog, guard: DefinitionGuard
) -> Sequence[Finding]:
    """Look at each profile that never had an index. Raises Unavailable.

    A profile whose index is gone is not among them: its records say it had one.
    """
    vault = guard.vault
    async with audit_log.database.reading() as connection:
        indexed = select(definition_heads.c.profile)
        wanted = select(profiles).where(profiles.c.id.not_in(indexed))
        missing = (await connection.execute(wanted)).all()
        noted = await guard.noted() if missing else {}
        unvouched = [
            row
            for row in missing
            if row.id not in noted
            and await recorded_generation(connection, row.id, None) == NO_GENERATION
        ]
        if not unvouched:
            return []
        # All versions were authenticated together, whatever profile they are of.
        sound = await _versions_are_sound(connection, vault)
        flaws = () if sound else (_VERSIONS,)
        return [await _examine(connection, vault, row, flaws) for row in unvouched]


async def vouch(audit_log: ChainedLog, finding: Finding, actor: str) -> None:
    """Seal the profile's definitions as they stand, with a record."""
    async with Journal(audit_log=audit_log).writing(finding.profile, actor) as writing:
        connection, profile = writing.connection, finding.profile
        count = await rebuild(connection, writing.keys, profile, 1)
        async for noun, id_ in subjects_of(connection, profile):
            await writing.announce(noun, id_)
        detail = f"{count} definitions that had no index; {len(finding.flaws)} flaws"
        writing.record("profile", profile, Change.ACCEPTED, detail, 1)


async def _examine(
    connection: AsyncConnection, vault: Vault, profile: AnyRow, known: Sequence[str]
) -> Finding:
    """Look at a profile; `known` are the flaws that are known of all of them."""
    counts = {}
    for noun, table in TABLES.items():
        wanted = select(func.count()).where(table.c.profile == profile.id)
        counts[noun] = await connection.scalar(wanted) or 0
    flaws = [*known]
    wanted_ids = select(secrets.c.id).where(secrets.c.profile == profile.id)
    ids = (await connection.scalars(wanted_ids)).all()
    unseen = set(ids)
    async for row in rows_of(connection, secrets, ids):
        unseen.discard(row.id)
        flaw = await opening_flaw(row, vault)
        if flaw is not None:
            flaws.append(f"secret {row.id} ({row.key}): {flaw}")
    flaws += [f"secret {id_}: its row cannot be read" for id_ in sorted(unseen)]
    return Finding(profile=profile.id, name=profile.name, counts=counts, flaws=flaws)


_VERSIONS = "the versions of the secrets were altered outside Keyrelay"


async def _versions_are_sound(connection: AsyncConnection, vault: Vault) -> bool:
    row = (await connection.execute(select(installation))).one()
    rows = await connection.execute(
        select(secret_versions.c.secret, secret_versions.c.version)
    )
    listed = [f"{each.secret} {each.version}" for each in rows]
    mac = await vault.authenticator(_LABEL)
    message = frame(_CONTEXT, row.store, str(row.generation), *sorted(listed))
    return hmac.compare_digest(mac(message), row.versions_mac)
