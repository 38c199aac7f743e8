"""Unclaimed: the claims of an installation without de-duplication.

Every record that arrives is attempted. After a crash or a rebalance some are fetched
again, and are attempted again.
"""

from collections.abc import Sequence
from datetime import datetime

from keyrelay.model.backlog import QueueStatus
from keyrelay.model.claim import Arrival, ClaimState, Ending, Judgement, judge
from keyrelay.model.ids import Beginnings


class Unclaimed:
    """ports.Claims and ports.ClaimStates; nothing is written."""

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        return [judge(arrival, None) for arrival in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        return [True] * len(endings)

    async def still_held(self, claimed: Arrival, since: datetime) -> bool:
        return True

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        return None

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        return None

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        return ()

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset()
