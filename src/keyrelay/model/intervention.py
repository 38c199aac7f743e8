"""Intervention: what a person may do to a trigger that is not settled."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from keyrelay.model.backlog import (
    DUE_IN_TIME,
    QueueEntry,
    QueueQuery,
    QueueStatus,
    TriggerState,
)


class Act(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    RETRY = "retry"


class ActEffect(StrEnum):
    """What an act does to one trigger."""

    APPLIED = "applied"
    ALREADY = "already"  # it was as the act wants it
    IMPOSSIBLE = "impossible"  # another act must come first
    TOO_LATE = "too late"
    UNKNOWN = "unknown"  # there is no such trigger
    UNSUPPORTED = "unsupported"  # this queue cannot do it


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervened:
    """What became of one trigger; `status` is that before the act.

    Without one, it was not read yet.
    `cut`: an attempt ended unsettled, so that its peer may have the message. `action`
    is None where it is not known.
    """

    id: str
    effect: ActEffect
    status: QueueStatus | None = None
    action: str | None = None
    cut: bool = False


# Any other state is too late.
_EFFECTS: Mapping[Act, Mapping[TriggerState, ActEffect]] = {
    Act.HOLD: {
        **dict.fromkeys(DUE_IN_TIME, ActEffect.APPLIED),
        TriggerState.HELD: ActEffect.ALREADY,
        TriggerState.CANCELLING: ActEffect.IMPOSSIBLE,
    },
    Act.RELEASE: {
        TriggerState.HELD: ActEffect.APPLIED,
        **dict.fromkeys((*DUE_IN_TIME, TriggerState.LEASED), ActEffect.ALREADY),
        TriggerState.CANCELLING: ActEffect.IMPOSSIBLE,
    },
    Act.CANCEL: {
        **dict.fromkeys((*DUE_IN_TIME, TriggerState.HELD), ActEffect.APPLIED),
        TriggerState.CANCELLING: ActEffect.APPLIED,
        TriggerState.CANCELLED: ActEffect.ALREADY,
    },
    Act.RETRY: {
        **dict.fromkeys(DUE_IN_TIME, ActEffect.APPLIED),
        TriggerState.HELD: ActEffect.IMPOSSIBLE,
        TriggerState.CANCELLING: ActEffect.IMPOSSIBLE,
    },
}


def judge(act: Act, state: TriggerState) -> ActEffect:
    """Decide what the act does to a trigger in that state.

    What is in flight is left alone: what its peer has done cannot be undone.
    """
    return _EFFECTS[act].get(state, ActEffect.TOO_LATE)


class Interventions(Protocol):
    """What a person sees and changes in a queue. Each raises ports.Unavailable.

    A port of services, not of the engine.
    """

    def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        """Yield the unsettled triggers that match, each once.

        `after` is the place of the entry before; empty, there is none. A log knows
        those that one of our faces has accepted or a worker has taken from it. Raises
        InvalidDefinition for a place that is none.
        """

    async def count_unsettled(self, profile: str, most: int) -> int:
        """Return how many triggers of the profile are not settled, or `most`.

        A log knows of those that `entries` yields.
        """

    async def count_held(self) -> int | None:
        """Return how many triggers people hold, in all profiles; None, none can be."""

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        """Do what `judge` allows; return what became of each, in order.

        What is held has no due time, and no worker leases it; `note` says why. What is
        cancelled is held, too, until `conclude` settles it: between the two it is
        recorded. A retry makes a trigger due now. All is durable on return.
        """

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        """Settle as cancelled what is held to be; leave all others as they are."""
