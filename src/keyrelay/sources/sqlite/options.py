"""Options: how a queue lends, and for how long it remembers."""

from dataclasses import dataclass
from datetime import timedelta

from keyrelay.databases.sqlite_connection import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOptions:
    """Options of an embedded queue.

    ordered: triggers of the same key are lent one at a time, in their order.
    drain: no lease is given any more once nothing is due or leased.
    lease: for how long a lease lasts; it is renewed while its holder lives.
    poll: how often a queue looks for what other processes have accepted.
    remembered: for how long a settled trigger is known.
    patience: for how long a write waits for another process's lock on the file.
    """

    ordered: bool = False
    drain: bool = False
    lease: timedelta = timedelta(seconds=30)
    poll: timedelta = timedelta(seconds=0.1)
    remembered: timedelta = timedelta(days=7)
    patience: timedelta = PATIENCE

    def __post_init__(self) -> None:
        if not timedelta() < self.poll < self.lease:
            raise ValueError("a queue needs 0 < poll < lease")

    @property
    def renewal(self) -> timedelta:
        """How often leases are renewed: often enough that one renewal may fail."""
        return self.lease / 3


STANDARD = SqliteOptions()
