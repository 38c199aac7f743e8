"""Run analyses: what an action of type `script` does, and the runs that it asks for.

It needs no secret: each run is given its own, by policies for the analysis.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from keyrelay.model.analysis import Variable
from keyrelay.model.data_point import facts_of
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import NOTHING_LEFT, Fault, Rejected
from keyrelay.model.run import RunCause, RunOrigin, parse_scope
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger

NAME = "script"
MOST_ANALYSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnalyses:
    """Run these analyses, by their ids, with the trigger's data as their scope
    (model.action.Instruction).
    """

    channel: ClassVar[str] = NAME
    secret: ClassVar[None] = None
    mentions: ClassVar[frozenset[Fact]] = frozenset()
    remarks: ClassVar[tuple[str, ...]] = ()

    analyses: tuple[str, ...]

    def check(self, *, fifo: bool) -> None:
        """There is no secret that could not be used."""

    def extent(self, trigger: Trigger) -> int:
        return 100 * len(trigger.data)

    def compose(
        self, trigger: Trigger, done: Collection[str]
    ) -> "WantedRuns | Rejected":
        try:
            scope = parse_scope([each.fields for each in trigger.data])
        except InvalidDefinition as fault:
            return Rejected(f"the trigger's data: {fault}", Fault.TRIGGER)
        left = tuple(each for each in self.analyses if each not in done)
        if not left:
            return NOTHING_LEFT
        return WantedRuns(trigger=trigger, analyses=left, scope=scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRuns:
    """The analyses that are still to be run, each of which is a part of the trigger."""

    replaced: ClassVar[tuple[str, ...]] = ()

    trigger: Trigger
    analyses: tuple[str, ...]
    scope: str

    def cause(self, action_type: str, asked_at: datetime) -> RunCause:
        """Return the cause of all; `action_type` is `type` of the action's document."""
        trigger = self.trigger
        facts = facts_of(trigger.data, trigger.lifetime.raised_at)
        told = {
            "_action_id": trigger.action,
            "_action_type": action_type,
            "_action_state": facts[Fact.ACTION_STATE],
            "_device_id": facts.get(Fact.DEVICE),
        }
        return RunCause(
            origin=RunOrigin.ACTION,
            asked_at=asked_at,
            deadline=trigger.lifetime.deadline,
            action=trigger.action,
            trigger=trigger.id,
            variables=tuple(
                Variable(key, value) for key, value in told.items() if value is not None
            ),
        )
