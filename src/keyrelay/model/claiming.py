"""Claiming: what a log, and what writes into it, ask of claims.

Ports of sources, not of the engine.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from keyrelay.model.backlog import QueueStatus
from keyrelay.model.claim import Arrival, ClaimState, Ending, Judgement
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import Trigger


class Claims(Protocol):
    """Claims of triggers, written before the attempt, so that a crash leaves a trace.

    What is written is durable on return. Each method raises Unavailable.
    """

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        """Claim, in one statement, every arrival for which `claim.judge` returns Go.

        Return one judgement for each arrival, in order. No trigger may be among them
        twice, and none that this process attempts at this moment.
        """

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        """End claims; return for each whether it was still this process's.

        One that was not is left as it is.
        """

    async def still_held(self, claimed: Arrival, since: datetime) -> bool:
        """Tell whether a claim made at `since` or later is still this process's.

        It costs nothing while this process was never taken for dead since then.
        """


class ClaimStates(Protocol):
    """Claims for those that attempt nothing. Each raises Unavailable.

    A trigger that stands in a log and was accepted by one of our own faces is written
    down, so that it is known before any worker has read it.
    """

    async def are_new(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        """Return of each trigger whether none is known by its id in its profile.

        One that a person holds and that nothing else is known of counts as new.
        """

    async def accept(self, triggers: Sequence[Trigger]) -> None:
        """Write down, in one statement, those of them that are not known.

        Durable on return. Their records stand in the log already.
        """

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        """Return what is known of a trigger; None if nothing is."""

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return the same for people, with times; None if nothing is known."""

    async def publisher(self, profile: str, id_: str) -> str | None:
        """Return what `Backlog.publisher` does."""

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of claimed triggers that begin so, sorted."""

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of these ids that a trigger of any profile is known by."""
