"""Backlog limit: how many triggers of a profile may wait for more to be accepted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.model.intervention import Interventions

_FRESH = timedelta(seconds=1)


@dataclass(slots=True, kw_only=True)
class _Counted:
    at: datetime
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogLimit:
    """At most `most` unsettled triggers of a profile, about; 0, any number.

    They are counted once a second, as that takes as long as there are many; what other
    processes accept in between comes on top.
    """

    most: int
    queue: Interventions
    now: Callable[[], datetime]
    _allowances: dict[str, _Counted] = field(default_factory=dict, init=False)

    async def take(self, profile: str, wanted: int) -> int:
        """Return for how many more there is room, and count them as accepted.

        Raises Unavailable.
        """
        if self.most == 0:
            return wanted
        allowance = self._allowances.get(profile)
        if allowance is None or abs(self.now() - allowance.at) >= _FRESH:
            allowance = await self._count(profile)
        taken = min(wanted, allowance.left)
        allowance.left -= taken
        return taken

    async def _count(self, profile: str) -> _Counted:
        at = self.now()
        found = await self.queue.count_unsettled(profile, self.most)
        counted = _Counted(at=at, left=self.most - found)
        self._allowances[profile] = counted
        return counted
