"""Last states: how the newest run of each analysis stands, for lists of analyses."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from keyrelay.databases.database import Database
from keyrelay.stores.rows import CHUNK
from keyrelay.stores.schema.run_tables import runs
from keyrelay.stores.schema.tables import analyses

_r = runs.c


async def last_states(
    database: Database, profile: str, ids: Sequence[str]
) -> Mapping[str, str]:
    """Return the state of the newest run of each of these that was ever run.

    Each is one look into an index, however many runs there are. Raises Unavailable.
    """
    newest = (
        select(_r.state)
        .where(_r.profile == profile, _r.analysis == analyses.c.id)
        .order_by(_r.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = dict[str, str]()
    async with database.reading() as connection:
        for first in range(0, len(ids), CHUNK):
            wanted = analyses.c.id.in_(ids[first : first + CHUNK])
            for row in await connection.execute(
                select(analyses.c.id, newest).where(
                    analyses.c.profile == profile, wanted
                )
            ):
                if row[1] is not None:
                    found[row[0]] = str(row[1])
    return found
