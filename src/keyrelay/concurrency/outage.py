"""Outage: what fails for a while is logged, but not each time that it fails."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_EVERY = 60.0  # seconds between two lines about what goes on


@dataclass(slots=True, kw_only=True)
class Outage:
    """Logs `begun` when something fails, once a minute while it does, then `over`.

    What fails again within a minute of that line is the same outage, said when the
    minute is over. Several tasks may share one: the first that fails begins it, and the
    first that succeeds ends it.
    """

    log: logging.Logger
    begun: str
    over: str
    clock: Callable[[], float] = time.monotonic
    _said_at: float | None = field(default=None, init=False)
    _is_said: bool = field(default=False, init=False)  # and `over` was not, since

    def failed(self, reason: str) -> None:
        now = self.clock()
        if self._said_at is None or now - self._said_at >= _EVERY:
            self.log.error(self.begun, extra={"reason": reason})
            self._said_at, self._is_said = now, True

    def ended(self) -> None:
        if self._is_said:
            self.log.warning(self.over)
            self._is_said = False
