"""Tries: how often one client may show a wrong token.

Only what failed is counted, and only what failed is refused: the token is looked at
first, so that a right one is taken whatever else came from its address.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from keyrelay.api.peers import client_of

WINDOW = 60.0  # seconds


@dataclass(slots=True)
class _Failures:
    began_at: float
    count: int = 0


@dataclass(slots=True, kw_only=True)
class FailedTries:
    """`clock` tells seconds, and never goes back, such as time.monotonic.

    `most` failures in a minute are answered as what they are. `clients` is how many
    clients are remembered; beyond it the one that failed first is forgotten.
    """

    clock: Callable[[], float]
    most: int = 10
    clients: int = 10_000
    failures: dict[str, _Failures] = field(default_factory=dict)

    def failed(self, address: str) -> int | None:
        """Count a wrong token; return after how many seconds to try again, or None.

        None means: answer that the token is wrong. Of IPv6, all addresses of one /64
        are one client's.
        """
        now, client = self.clock(), client_of(address)
        failures = self.failures.get(client)
        if failures is None or now - failures.began_at >= WINDOW:
            failures = self._remember(client, now)
        failures.count += 1
        if failures.count <= self.most:
            return None
        return math.ceil(failures.began_at + WINDOW - now)

    def _remember(self, client: str, now: float) -> _Failures:
        self.failures.pop(client, None)  # the order is that of the first failures
        if len(self.failures) >= self.clients:
            del self.failures[next(iter(self.failures))]
        remembered = self.failures[client] = _Failures(now)
        return remembered
