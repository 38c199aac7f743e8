"""Last-time order: definitions by when something last happened to them.

To those that come first in ascending order it never happened. They have no row beside
them: a list of both is read part after part, each by an index of its own.
"""

from collections.abc import Sequence

from sqlalchemy import Table, and_, case, false, select, true

from keyrelay.stores.definitions.listing import Listing, Noun, in_order, narrowed
from keyrelay.stores.schema.attempt_tables import last_times
from keyrelay.stores.unreadable import Statement

_TIMES = last_times.c


def by_last_time(
    profile: str, table: Table, noun: Noun, listing: Listing
) -> Sequence[Statement]:
    """Return the statements whose rows, one after the other, are the list."""
    found = select(table).where(table.c.profile == profile)
    found = narrowed(found, table, noun, listing)
    of_profile = and_(_TIMES.profile == profile, _TIMES.noun == noun)
    its = and_(of_profile, _TIMES.id == table.c.id)
    when = select(_TIMES.at).where(its).scalar_subquery()
    ever = in_order(found.join(last_times, its), [_TIMES.at, _TIMES.id], listing.order)
    never = in_order(
        # Neither joined nor a plain condition: PostgreSQL would read all the times to
        # know which there are not, or sort what it takes for few.
        found.where(case((when.is_(None), true()), else_=false())),
        [table.c.folded, table.c.id],
        listing.order,
    )
    return (ever, never) if listing.order.descending else (never, ever)
