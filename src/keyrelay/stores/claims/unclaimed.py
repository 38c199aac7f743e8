"""Unclaimed: the claims of an installation without de-duplication.

Every record that arrives is attempted. After a crash or a rebalance some are fetched
again, and are attempted again; their records say that they repeat.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from keyrelay.model.backlog import QueueEntry, QueueQuery, QueueStatus
from keyrelay.model.claim import Arrival, ClaimState, Ending, Judgement, judge
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Act, ActEffect, Intervened
from keyrelay.model.trigger import Trigger


class Unclaimed:
    """claiming.Claims and ClaimStates, intervention.Interventions: nothing is written.

    So nothing that a person asks for could be obeyed.
    """

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

    async def publisher(self, profile: str, id_: str) -> str | None:
        return None

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        return ()

    async def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        nothing: tuple[QueueEntry, ...] = ()
        for entry in nothing:
            yield entry

    async def count_unsettled(self, profile: str, most: int) -> int:
        return 0

    async def count_held(self) -> None:
        return None

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        return [Intervened(id=id_, effect=ActEffect.UNSUPPORTED) for id_ in ids]

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        pass

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def are_new(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return [True] * len(triggers)

    async def accept(self, triggers: Sequence[Trigger]) -> None:
        pass
