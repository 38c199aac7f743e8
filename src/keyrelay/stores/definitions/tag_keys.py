"""Tag keys: which keys the tags of a profile's definitions have."""

from collections.abc import Sequence

from sqlalchemy import func, select

from keyrelay.databases.database import Database
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.schema.tables import tags

_TAGS = tags.c


async def tag_keys(database: Database, profile: str, noun: Noun) -> Sequence[str]:
    """Return each key once, sorted. Raises Unavailable.

    Its cost is that of the keys, however many definitions carry them.
    """
    of_noun = (_TAGS.profile == profile, _TAGS.noun == noun)
    first = select(func.min(_TAGS.key).label("key")).where(*of_noun)
    found = first.cte("found", recursive=True)
    # From one key to the next, past all that carry it.
    following = select(func.min(_TAGS.key)).where(*of_noun, _TAGS.key > found.c.key)
    found = found.union_all(
        select(following.correlate(found).scalar_subquery()).where(
            found.c.key.is_not(None)
        )
    )
    wanted = select(found.c.key).where(found.c.key.is_not(None)).order_by(found.c.key)
    async with database.reading() as connection:
        return list(await connection.scalars(wanted))
