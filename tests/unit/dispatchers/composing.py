"""Actions for tests: parsed from samples, and composed with a trigger's data."""

import json
from collections.abc import Collection, Mapping

from keyrelay.model.action import Action, Message
from keyrelay.model.data_point import facts_of
from keyrelay.model.outcome import Rejected
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from tests.samples import ORIGIN, QUEUE_ACTION

WARM = {"variable": "temperature", "value": 21.5, "unit": "°C", "device": "d1"}
COLD = {"variable": "temperature", "value": -4, "unit": "°C", "device": "d2"}
NOTHING_DONE: frozenset[str] = frozenset()


def compose(
    action: Action, trigger: Trigger, done: Collection[str]
) -> Message | Rejected:
    return action.instruction.compose(trigger, done)


def missing_facts(action: Action, trigger: Trigger) -> tuple[Fact, ...]:
    """Return the facts that the action mentions and the first data point lacks."""
    facts = facts_of(trigger.data, trigger.lifetime.raised_at)
    return tuple(sorted(action.instruction.mentions - facts.keys()))


def trigger(*points: Mapping[str, object], id_: str = "t1") -> Trigger:
    document = {"id": id_, "action": QUEUE_ACTION, "data": points}
    return Trigger.parse(json.dumps(document).encode(), ORIGIN)
