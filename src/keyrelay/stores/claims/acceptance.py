"""Acceptance: claims of triggers that stand in the log and that no worker has read.

They are written once the broker has acknowledged the records, so each has a record. A
crash between the two is mended by the worker that reads the record: it claims the
trigger as one that a producer published. A worker may also be faster than the note: the
publisher is noted all the same. A record that the broker loses later leaves
its claim: it is listed as waiting until a person cancels it.
"""

from collections.abc import Sequence
from datetime import datetime

from keyrelay.databases.database import Database
from keyrelay.model.trigger import Trigger
from keyrelay.stores.claims.rows import encode
from keyrelay.stores.claims.statements import ID, rows_in, writing
from keyrelay.stores.rows import ScopedId
from keyrelay.stores.schema.tables import claims

_c = claims.c

# What a person has written ahead of any record (interventions.py) shows none.
_KNOWN = """
SELECT claims.profile, claims.id
FROM ({rows}) AS rows
JOIN claims ON claims.profile = rows.profile AND claims.id = rows.id
WHERE NOT (
  claims.status IN ('held', 'cancelling')
  AND claims.attempts = 0 AND claims.action IS NULL
)
"""

_ACCEPT = """
INSERT INTO claims
  (profile, id, generation, sequence, attempts, cut, done, status, action, publisher,
   claimed_at)
SELECT profile, id, 0, 0, 0, false, '[]', 'accepted', action, publisher, :now
FROM ({rows}) AS rows
WHERE true
ON CONFLICT (profile, id) DO UPDATE SET publisher = excluded.publisher
WHERE claims.publisher IS NULL AND excluded.publisher IS NOT NULL
"""


async def known_among(
    database: Database, triggers: Sequence[Trigger]
) -> frozenset[ScopedId]:
    """Return the ids of those that a claim shows to be accepted. Raises Unavailable."""
    rows = encode((each.profile, each.id) for each in triggers)
    statement = writing(_KNOWN, rows_in(database, ID))
    async with database.reading() as connection:
        found = await connection.execute(statement, {"rows": rows})
        return frozenset((profile, id_) for profile, id_ in found)


async def accept(
    database: Database, triggers: Sequence[Trigger], now: datetime
) -> None:
    """Write claims of those that have none, and the publishers, durably on return.

    Raises Unavailable.
    """
    rows = encode(
        (each.profile, each.id, each.action, each.lifetime.publisher)
        for each in triggers
    )
    columns = ID | {"action": "VARCHAR", "publisher": "VARCHAR"}
    statement = writing(_ACCEPT, rows_in(database, columns))
    async with database.autocommit() as connection:
        await connection.execute(statement, {"now": now, "rows": rows})
