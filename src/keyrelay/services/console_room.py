"""Console room: how much work the lines of one script elsewhere may make.

A line is scrubbed of all that its analysis may access, so that a small request can be
much work: with a thousand secrets it takes some 65 ms. What was opened for one line is
not kept for the next, as no value is; a script that sends more is refused for a while.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

# What work costs: one is the work on one secret, about 65 microseconds.
LINE = 2.0
DECISION = 1 / 16  # of one secret, whether policies allow it
CHARACTER = 1 / 300  # each time a text is searched


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleLimits:
    """What an analysis may cost in a second, for long, and what at once.

    It is a quarter of a processor, and two and a half seconds of one. `analyses` is how
    many are remembered; beyond it the one that began first is forgotten.
    """

    a_second: float = 4000
    at_once: float = 40_000
    analyses: int = 10_000


class ConsoleBusy(Exception):
    """The lines of an analysis made too much work; how many seconds to wait."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(slots=True)
class _Account:
    """What an analysis has left, which may be less than nothing, and since when."""

    left: float
    at: datetime
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRoom:
    now: Callable[[], datetime]
    limits: ConsoleLimits = ConsoleLimits()
    _accounts: dict[tuple[str, str], _Account] = field(default_factory=dict, init=False)

    @asynccontextmanager
    async def taken(
        self, profile: str, analysis: str
    ) -> AsyncIterator[Callable[[float], None]]:
        """Give what is told the cost of a line; lines of one analysis take turns.

        The cost is known only once the work is done: what is too much is made up for
        before the next line. Raises ConsoleBusy.
        """
        account = self._account((profile, analysis))

        def spend(cost: float) -> None:
            account.left -= cost

        async with account.turn:
            self._refill(account)
            if account.left <= 0:
                seconds = max(1, ceil(-account.left / self.limits.a_second))
                raise ConsoleBusy(
                    "the script sends more lines than its console takes: let it send"
                    " fewer, or let policies allow its analysis fewer secrets, as each"
                    " line is searched for all of them; this one may be sent again in"
                    f" {seconds} s",
                    seconds,
                )
            yield spend

    def _account(self, of: tuple[str, str]) -> _Account:
        account = self._accounts.get(of)
        if account is None:
            if len(self._accounts) >= self.limits.analyses:
                del self._accounts[next(iter(self._accounts))]
            account = _Account(left=self.limits.at_once, at=self.now())
            self._accounts[of] = account
        return account

    def _refill(self, account: _Account) -> None:
        now = self.now()
        # A clock that was set back gives nothing.
        passed = max(0.0, (now - account.at).total_seconds())
        earned = account.left + passed * self.limits.a_second
        account.left, account.at = min(self.limits.at_once, earned), now
