"""Previewing: what an action would send for a trigger, and what would prevent it.

No secret is opened and nothing is sent: a preview is handed no vault and no dispatcher.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.action import Action, ActionType, MessagePreview
from keyrelay.model.catalog import Catalog
from keyrelay.model.data_point import facts_of, parse_points
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import wire_instant
from keyrelay.model.lifetime import STANDARD_LIFETIME, Lifetime
from keyrelay.model.outcome import Rejected
from keyrelay.model.policy.policy import Denial, explain
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.services.explaining import NotInCatalog, explanation_document
from keyrelay.services.remarks import unrunnable

Document = Mapping[str, object]


def sample_trigger(profile: str, action: str, now: datetime) -> Trigger:
    """Return a trigger with one data point that has every fact."""
    point = {
        "variable": "temperature",
        "value": 21.5,
        "unit": "°C",
        "time": wire_instant(now),
        "device": "0123456789abcdef01234567",
        "device_name": "Sample",
        "location": {"lat": 52.52, "lng": 13.405},
    }
    return Trigger(
        id="sample",
        profile=profile,
        action=action,
        data=parse_points(point),
        key=None,
        lifetime=Lifetime(raised_at=now, deadline=now + STANDARD_LIFETIME),
    )


def trigger_for(action: str, document: Document, origin: Origin) -> Trigger:
    """Read a trigger that may leave its action out.

    Raises InvalidDefinition for one of another action, and MalformedTrigger.
    """
    if document.get("action") not in (None, action):
        raise InvalidDefinition("action must be left out, or be the one of the path")
    named = {**document, "action": action}
    written = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
    return Trigger.parse(written.encode(), origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewing:
    """`catalog` returns what a worker would see now; `types` are those of actions."""

    catalog: Callable[[], Awaitable[Catalog]]
    types: Mapping[str, ActionType]
    now: Callable[[], datetime]

    async def preview(self, trigger: Trigger) -> Document:
        """Return what an attempt at the trigger would do, as every face shows it.

        `refusals` are why it would not be performed, or not wholly; without any, the
        message would be handed to its peer. Raises NotInCatalog and Unavailable.
        """
        catalog = await self._catalog_of(trigger.profile)
        action = catalog.actions.get((trigger.profile, trigger.action))
        if action is None:
            absence = catalog.absence("action", trigger.profile, trigger.action)
            raise NotInCatalog(absence)
        return await self._shown(catalog, action, trigger)

    async def preview_draft(self, action: Action, trigger: Trigger) -> Document:
        """Return what `preview` would, if the action were stored as it is here.

        Raises NotInCatalog and Unavailable.
        """
        catalog = await self._catalog_of(trigger.profile)
        return await self._shown(catalog, action, trigger)

    async def _catalog_of(self, profile: str) -> Catalog:
        catalog = await self.catalog()
        if (reason := catalog.omitted.profiles.get(profile)) is not None:
            raise NotInCatalog(reason)
        return catalog

    async def _shown(
        self, catalog: Catalog, action: Action, trigger: Trigger
    ) -> Document:
        profile, needed = trigger.profile, action.instruction.secret
        refusals, released = _released(catalog, action, needed)
        fifo = _is_fifo(catalog, profile, needed)
        # Beside the event loop: a large message takes long to compose.
        message = await asyncio.to_thread(self._message, action, trigger, fifo=fifo)
        unattempted = self._unattempted(action, trigger)
        facts = facts_of(trigger.data, trigger.lifetime.raised_at)
        return {
            "action": trigger.action,
            "type": action.channel,
            "secret": needed,
            "released": released,
            "message": message.document or None,
            "missing": sorted(action.instruction.mentions - facts.keys()),
            "replaced": [*message.replaced],
            "refusals": [*unattempted, *refusals, *message.refusals],
        }

    def _unattempted(self, action: Action, trigger: Trigger) -> list[str]:
        """Return why a worker would not begin an attempt."""
        held = {
            "the action is inactive": not action.active,
            "the action is locked and does not act": action.locked,
            "the trigger's deadline has passed": trigger.lifetime.deadline < self.now(),
        }
        return [reason for reason, holds in held.items() if holds]

    def _message(
        self, action: Action, trigger: Trigger, *, fifo: bool
    ) -> MessagePreview:
        composed = action.instruction.compose(trigger, ())
        if isinstance(composed, Rejected):
            return MessagePreview(document={}, refusals=[composed.reason])
        return self.types[action.channel].preview(composed, fifo=fifo)


def _is_fifo(catalog: Catalog, profile: str, needed: str | None) -> bool:
    sealed = None if needed is None else catalog.secrets.get((profile, needed))
    return sealed is not None and sealed.fifo


def _released(
    catalog: Catalog, action: Action, id_: str | None
) -> tuple[list[str], Document | None]:
    """Return why the action's secret would not be released, and the whole decision.

    Of one that needs none, why an analysis would not be run.
    """
    profile = action.tagged.profile
    if id_ is None:
        return list(unrunnable(catalog, action)), None
    sealed = catalog.secrets.get((profile, id_))
    if sealed is None:
        return [catalog.absence("secret", profile, id_)], None
    policies = catalog.policies_of(profile)
    explanation = explain(policies, action.tagged, sealed.secret.tagged)
    denied = [explanation.reason] if isinstance(explanation, Denial) else []
    return denied, explanation_document(explanation)
