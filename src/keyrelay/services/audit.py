"""Audit: the records of a profile."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from keyrelay.services.naming import whole_id
from keyrelay.services.paging import read_pages
from keyrelay.stores.audit.trail import AuditQuery, AuditTrail, TrailEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReading:
    """Each method raises Unavailable."""

    trail: AuditTrail

    async def records(
        self, profile: str, query: AuditQuery, limit: int | None = None
    ) -> AsyncIterator[TrailEntry]:
        """Yield the records, newest first; the query's page and amount do not count."""

        async def fetch(page: int, amount: int) -> Sequence[TrailEntry]:
            asked = replace(query, page=page, amount=amount)
            return await self.trail.list(profile, asked)

        async for entry in read_pages(fetch, lambda entry: entry.id, limit):
            yield entry

    async def record(self, profile: str, given: str) -> TrailEntry:
        """Return the record whose id begins so. Raises NotFound, AmbiguousBeginning."""
        id_ = await whole_id(self.trail.beginning, profile, given)
        return await self.trail.get(profile, id_)
