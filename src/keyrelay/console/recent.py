"""Recent attempts: their details, asked once for all that follow a profile here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.model.instant import wire_instant

MOST_KNOWN = 2000  # attempts, of all profiles together
MOST_ASKED = 1000

_TICK = timedelta(milliseconds=1)  # instants are told no finer
_NOTHING: Mapping[str, object] = {
    "action_name": None,
    "secret_key": None,
    "record": None,
}

Attempt = Mapping[str, object]
Ask = Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[Attempt]]]


@dataclass(frozen=True, slots=True)
class RecentAttempts:
    _known: dict[tuple[object, object], Attempt] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def in_detail(
        self, profile: str, attempts: Sequence[Attempt], ask: Ask
    ) -> Sequence[Attempt]:
        """Return the attempts, each with its record and names where they are known.

        `ask` asks for a list of attempts. Raises as it does.
        """
        async with self._turn:
            asked = [one for one in attempts if (profile, one["id"]) not in self._known]
            if asked:
                self._keep(profile, await ask(_around(asked)))
        return [
            self._known.get((profile, one["id"]), {**one, **_NOTHING})
            for one in attempts
        ]

    def _keep(self, profile: str, attempts: Sequence[Attempt]) -> None:
        for one in attempts:
            self._known[profile, one["id"]] = one
        for oldest in [*self._known][: len(self._known) - MOST_KNOWN]:
            del self._known[oldest]


def _around(attempts: Sequence[Attempt]) -> Sequence[tuple[str, str]]:
    """Return what asks for the attempts of the time in which these were."""
    times = sorted(str(one["at"]) for one in attempts)
    end = datetime.fromisoformat(times[-1]) + _TICK
    return [
        ("details", "true"),
        ("since", times[0]),
        ("until", wire_instant(end)),
        ("amount", str(MOST_ASKED)),
    ]
