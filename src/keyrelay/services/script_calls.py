"""Script calls: how many services act at once, and for how long each may take."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.outcome import Blame, Deferred, Outcome, Uncertain
from keyrelay.ports import StillHeld

# What is left of the dispatch once its message and its credential are known.
Dispatch = Callable[[StillHeld], Awaitable[Outcome]]


class TooManyCalls(Exception):
    """As many services act for scripts as may at once; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How many calls a process and a profile have at once, and how long each lasts.

    The message is handed over within `begin`, and answered `answer` after that: both
    together are less than the minute for which TagoIO's clients wait.
    """

    in_all: int = 32
    of_a_profile: int = 16
    begin: timedelta = timedelta(seconds=25)
    answer: timedelta = timedelta(seconds=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRoom:
    limits: CallLimits
    _calls: Counter[str] = field(default_factory=Counter, init=False)

    @contextmanager
    def taken(self, profile: str) -> Iterator[None]:
        """Count a call while the block runs. Raises TooManyCalls."""
        if self._calls[profile] >= self.limits.of_a_profile:
            raise TooManyCalls(
                "this profile has as many calls of services as it may: try again later"
            )
        if self._calls.total() >= self.limits.in_all:
            raise TooManyCalls(
                "this process has as many calls of services as it may: try again later"
            )
        self._calls[profile] += 1
        try:
            yield
        finally:
            self._calls[profile] -= 1
            if not self._calls[profile]:
                del self._calls[profile]


@dataclass(slots=True, kw_only=True)
class HandOver:
    """One dispatch within its limits; afterwards it hands nothing over any more.

    `begun`: from there on the peer may have the message.
    """

    limits: CallLimits
    begun: bool = field(default=False, init=False)
    _timer: asyncio.Timeout | None = field(default=None, init=False)

    async def within_limits(self, dispatch: Dispatch) -> Outcome:
        """Return its outcome, or how it stood when the time was over."""
        timer = self._timer = asyncio.timeout(self.limits.begin.total_seconds())
        try:
            async with timer:
                return await dispatch(self._may_begin)
        except TimeoutError:
            if not timer.expired():
                raise
            return self.cut("the time of the call was over")
        finally:
            self._timer = None

    def cut(self, why: str) -> Deferred | Uncertain:
        """Return the outcome of a dispatch that was ended before its peer answered."""
        if self.begun:
            return Uncertain(f"{why} before the server answered")
        return Deferred(f"{why} before anything was sent", blame=Blame.PEER)

    async def _may_begin(self) -> bool:
        """Tell whether there is time left (ports.StillHeld)."""
        timer = self._timer
        if timer is None or timer.expired():
            return False
        if not self.begun:
            self.begun = True
            loop = asyncio.get_running_loop()
            timer.reschedule(loop.time() + self.limits.answer.total_seconds())
        return True
