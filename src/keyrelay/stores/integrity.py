"""Integrity: which of all secrets do not open, and why."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import select

from keyrelay.databases.database import Database
from keyrelay.ports import Unsealable
from keyrelay.stores.definitions.secret_rows import sealed_of
from keyrelay.stores.definitions.versions import LABEL, Versions, read_versions
from keyrelay.stores.rows import AnyRow, ids_in, rows_of
from keyrelay.stores.schema.tables import profiles, secrets
from keyrelay.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretIntegrity:
    """Whether a secret opens; `flaw` is None, or says why not."""

    profile: str
    id: str
    key: str
    flaw: str | None


async def check_secrets(
    database: Database, vault: Vault
) -> AsyncIterator[SecretIntegrity]:
    """Open every secret of every profile. Raises Unavailable."""
    mac = await vault.authenticator(LABEL)
    async with database.reading() as connection:
        rows = await connection.execute(select(profiles.c.id, profiles.c.name))
        names = {row.id: row.name for row in rows}
        versions = await read_versions(connection, mac)
        unseen = {id_: profile for profile, id_ in await ids_in(connection, secrets)}
        async for row in rows_of(connection, secrets, list(unseen)):
            profile = names.get(unseen.pop(row.id), row.profile)
            flaw = await _flaw(row, versions, vault)
            yield SecretIntegrity(profile=profile, id=row.id, key=row.key, flaw=flaw)
    for id_, profile in unseen.items():
        flaw = "its row cannot be read"
        yield SecretIntegrity(
            profile=names.get(profile, profile), id=id_, key="", flaw=flaw
        )


async def _flaw(row: AnyRow, versions: Versions, vault: Vault) -> str | None:
    version = versions.of.get(row.id)
    if version is None:
        return "it has no valid version: it was put back after its end"
    try:
        await vault.verify(sealed_of(row, version))
    except Unsealable as flaw:
        return str(flaw)
    except (ValueError, TypeError):
        return "its row is not what was written"
    return None
