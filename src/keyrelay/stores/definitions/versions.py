"""Versions: the valid version of each secret, authenticated together.

A secret's row has no version of its own. An old row that was put back, or the row of a
deleted secret, therefore does not open under the version that stands here.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import Mac
from keyrelay.stores.schema.tables import installation, secret_versions
from keyrelay.vault.framing import frame

LABEL = "versions"  # the key that the vault authenticates them with

_CONTEXT = "keyrelay/versions/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The version `of` each secret; `generation` goes up with each change.

    So no two states of a store have the same authentication code.
    """

    store: str
    generation: int
    of: Mapping[str, int]

    def authenticate(self, mac: Mac) -> bytes:
        listed = [f"{id_} {version}" for id_, version in sorted(self.of.items())]
        return mac(frame(_CONTEXT, self.store, str(self.generation), *listed))


async def read_versions(connection: AsyncConnection, mac: Mac) -> Versions:
    """Return the versions. Raises Unavailable if they were altered."""
    row = (await connection.execute(select(installation))).one_or_none()
    if row is None:
        raise Unavailable("the database holds no vault: run `keyrelay init`")
    listed = await connection.execute(
        select(secret_versions.c.secret, secret_versions.c.version)
    )
    versions = Versions(
        store=row.store,
        generation=row.generation,
        of={row.secret: row.version for row in listed},
    )
    if not hmac.compare_digest(versions.authenticate(mac), row.versions_mac):
        # It cannot be said which of them was altered, so none is trusted.
        raise Unavailable(
            "the versions of the secrets were altered outside Keyrelay:"
            " restore the database from a backup"
        )
    return versions


async def keep_version(
    connection: AsyncConnection, mac: Mac, secret: str, version: int | None
) -> None:
    """Set the secret's valid version; None, it has none any more."""
    versions = await read_versions(connection, mac)
    others = {id_: known for id_, known in versions.of.items() if id_ != secret}
    await connection.execute(
        delete(secret_versions).where(secret_versions.c.secret == secret)
    )
    if version is not None:
        others[secret] = version
        await connection.execute(
            insert(secret_versions).values(secret=secret, version=version)
        )
    changed = replace(versions, generation=versions.generation + 1, of=others)
    await connection.execute(
        update(installation).values(
            generation=changed.generation, versions_mac=changed.authenticate(mac)
        )
    )
