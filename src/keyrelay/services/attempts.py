"""Attempts: those of a profile that match, each with its record."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keyrelay.model.catalog import Catalog
from keyrelay.services.audit import AuditReading
from keyrelay.services.events.documents import attempt_document
from keyrelay.services.paging import PAGE
from keyrelay.stores.attempts import AttemptQuery, AttemptStore, ListedAttempt
from keyrelay.stores.audit.projection import ATTEMPT
from keyrelay.stores.audit.trail import AuditTrail, TrailEntry
from keyrelay.stores.refusals import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReading:
    """Each method raises Unavailable."""

    attempts: AttemptStore
    trail: AuditTrail

    async def records(
        self, profile: str, query: AttemptQuery, limit: int | None = None
    ) -> AsyncIterator[TrailEntry]:
        """Yield the attempts' records, newest first; the query's amount is ignored."""
        left, after = limit, query.after
        while left is None or left > 0:
            amount = PAGE if left is None else min(PAGE, left)
            asked = replace(query, after=after, amount=amount)
            page = await self.attempts.list(profile, asked)
            records = await self.trail.read(profile, [one.id for one in page.attempts])
            for record in records:
                yield record
            if page.after is None:
                return
            left = left and left - len(records)
            after = page.after

    async def record(self, profile: str, given: str) -> TrailEntry:
        """Return the record of the attempt whose id begins so.

        Raises as AuditReading.record, for what is no attempt too.
        """
        entry = await AuditReading(trail=self.trail).record(profile, given)
        if entry.document.get("kind") != ATTEMPT:
            raise NotFound(ATTEMPT, entry.id)
        return entry


async def detailed_documents(
    trail: AuditTrail,
    catalog: Catalog,
    profile: str,
    attempts: Sequence[ListedAttempt],
) -> Sequence[Mapping[str, object]]:
    """Return the attempts with their records, and names of what they used.

    What no longer is there has no name, and an unreadable record is None. Raises
    Unavailable.
    """
    entries = await trail.read(profile, [one.id for one in attempts])
    records = {entry.id: entry.document for entry in entries}
    return [
        {
            **attempt_document(one),
            **_names(catalog, profile, one),
            "record": records.get(one.id),
        }
        for one in attempts
    ]


def _names(
    catalog: Catalog, profile: str, attempt: ListedAttempt
) -> Mapping[str, object]:
    action = catalog.actions.get((profile, attempt.action))
    secret = catalog.secrets.get((profile, attempt.secret or ""))
    return {
        "action_name": action and action.name,
        "secret_key": secret and secret.secret.key,
    }
