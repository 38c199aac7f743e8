"""Claims: every way to open them, for the suites that run over them all."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from keyrelay.claim import Arrival
from keyrelay.ports import Claims
from keyrelay.stores.claims import ClaimTerms
from tests.fakes import Clock
from tests.samples import PROFILE

LEASE = timedelta(seconds=30)
TERMS = ClaimTerms(lease=LEASE)
FIRST = Arrival(profile=PROFILE, id="t1")


class Open(Protocol):
    """Opens claims again and again over the same book, each time as another worker.

    A `stalled` one does nothing of its own accord, as if its process were stopped.
    """

    def __call__(
        self, *, stalled: bool = False
    ) -> AbstractAsyncContextManager[Claims]: ...


@dataclass(kw_only=True)
class Office:
    """Where claims are opened; `upkeep` are the tasks of each that wait for time."""

    clock: Clock
    open: Open
    pass_time: Callable[[timedelta], AbstractAsyncContextManager[None]]
