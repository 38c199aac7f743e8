"""Unclaimed: how triggers are attempted when de-duplication is turned off.

Every record that arrives is attempted; after a crash or a rebalance some come again.
"""

from collections.abc import Sequence

from keyrelay.model.backlog import Status
from keyrelay.model.claim import Arrival, Ending, Standing, Verdict, judge


class Unclaimed:
    """ports.Claims and ports.Standings, of which nothing is written."""

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Verdict]:
        return [judge(arrival, None) for arrival in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        return [True] * len(endings)

    async def standing(self, profile: str, id_: str) -> Standing | None:
        return None

    async def status(self, profile: str, id_: str) -> Status | None:
        return None
