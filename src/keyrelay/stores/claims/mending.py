"""Mending: damaged claims, written anew as they are understood."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.stores.claims import statements
from keyrelay.stores.claims.rows import RowValues, encode, text_of
from keyrelay.stores.claims.stored import StoredClaim

log = logging.getLogger(__name__)


async def mend_claims(
    database: Database,
    connection: AsyncConnection,
    found: Sequence[StoredClaim],
    now: datetime,
) -> None:
    """Write those of the claims anew that are damaged, and name each, once."""
    damaged = [each for each in found if each.is_damaged]
    if not damaged:
        return
    for each in damaged:
        what = {"profile": each.arrival.profile, "trigger": each.arrival.id}
        log.error("claim cannot be read", extra=what | {"reason": "it is damaged"})
    named = {"now": now, "rows": encode(map(_row, damaged))}
    await connection.execute(statements.mend(database), named)


def _row(stored: StoredClaim) -> RowValues:
    arrival = stored.arrival
    return (
        arrival.profile,
        arrival.id,
        arrival.generation,
        arrival.sequence,
        arrival.attempts,
        arrival.cut,
        text_of(arrival.done),
        stored.status,
        stored.owner.id,
        stored.notes.claimed_at is not None,
    )
