"""Trigger status: what is known of a trigger, from the queue to its dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.model.backlog import QueueStatus
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Backlog
from keyrelay.services.audit import AuditReading
from keyrelay.services.naming import find_trigger
from keyrelay.stores.audit.projection import ATTEMPT
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import AuditTrail, TrailEntry
from keyrelay.stores.dead_letters import DeadLetterStore, StoredLetter
from keyrelay.stores.refusals import NotFound

_MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStatus:
    """`queue` is None once the queue has forgotten the trigger.

    `attempts` are the records of the last thousand, the oldest first.
    """

    trigger: str
    queue: QueueStatus | None
    attempts: Sequence[TrailEntry]
    letter: StoredLetter | None

    @property
    def published(self) -> Trigger | None:
        """Return the trigger; None, it is not kept, or cannot be read."""
        match self:
            case TriggerStatus(letter=DeadLetter(trigger=trigger)):
                return trigger
            case TriggerStatus(queue=QueueStatus(trigger=trigger)):
                return trigger
            case _:
                return None

    @property
    def action(self) -> str | None:
        """Return the id of its action; None, nothing that is kept says it."""
        match self:
            case TriggerStatus(published=Trigger() as trigger):
                return trigger.action
            case TriggerStatus(attempts=[*_, last]):
                named = last.document.get("action")
                return named if isinstance(named, str) else None
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    queue: Backlog
    trail: AuditTrail
    letters: DeadLetterStore

    async def status(self, profile: str, given: str) -> TriggerStatus:
        """Return what is known of the trigger whose id begins so.

        Raises NotFound, if nothing is, AmbiguousBeginning and Unavailable.

        The queue forgets a trigger some days after it was settled, the audit trail
        never. What producers write into Kafka is known once a worker has taken it.
        """
        # In this order: a whole id is found at once, among however many others.
        found = await self.find(profile, given)
        if found is not None:
            return found
        letters, trail = self.letters.beginning, self.trail.triggers_beginning
        places = (self.queue.beginning, letters, trail)
        whole = await find_trigger(places, profile, given)
        found = None if whole == given else await self.find(profile, whole)
        if found is None:
            raise NotFound("trigger", given)
        return found

    async def find(self, profile: str, trigger: str) -> TriggerStatus | None:
        """Return what is known of the trigger with that id. Raises Unavailable."""
        queue = await self.queue.status(profile, trigger)
        query = AuditQuery(kind=ATTEMPT, trigger=trigger)
        records = AuditReading(trail=self.trail).records(profile, query, _MOST_ATTEMPTS)
        attempts = [record async for record in records]
        letter = await self._letter(profile, trigger)
        if queue is None and letter is None and not attempts:
            return None
        return TriggerStatus(
            trigger=trigger, queue=queue, attempts=attempts[::-1], letter=letter
        )

    async def _letter(self, profile: str, trigger: str) -> StoredLetter | None:
        try:
            return await self.letters.get(profile, trigger)
        except NotFound:
            return None
