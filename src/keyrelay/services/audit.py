"""Audit: the records of a profile."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from keyrelay.model.cursor import Cursor
from keyrelay.services.naming import whole_id
from keyrelay.services.paging import PAGE
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import AuditTrail, TrailEntry


def going_on_after(page: Sequence[TrailEntry], amount: int) -> Cursor | None:
    """Return where the list goes on after a page of so many; None, it has ended.

    A record whose time cannot be read has no place, and may be on two pages.
    """
    places = [entry.place for entry in page if entry.place is not None]
    return places[-1] if len(page) == amount and places else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReading:
    """Each method raises Unavailable."""

    trail: AuditTrail

    async def records(
        self, profile: str, query: AuditQuery, limit: int | None = None
    ) -> AsyncIterator[TrailEntry]:
        """Yield the records, newest first; the query's amount is ignored."""
        left, after = limit, query.after
        while left is None or left > 0:
            amount = PAGE if left is None else min(PAGE, left)
            asked = replace(query, after=after, amount=amount)
            page = await self.trail.list(profile, asked)
            for entry in page:
                yield entry
            if (after := going_on_after(page, amount)) is None:
                return
            left = left and left - len(page)

    async def record(self, profile: str, given: str) -> TrailEntry:
        """Return the record whose id begins so. Raises NotFound, AmbiguousBeginning."""
        id_ = await whole_id(self.trail.beginning, profile, given)
        return await self.trail.get(profile, id_)
