"""Terms: on which conditions the queue accepts, lends and forgets."""

from dataclasses import dataclass
from datetime import timedelta

from keyrelay.databases.sqlite import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOptions:
    """`ordered` keeps triggers of the same key in line; with `drain` there are no
    more leases once nothing is due or leased. The `lease` is renewed while its
    holder lives; `look` is how often the work of other processes is looked for."""

    ordered: bool = False
    drain: bool = False
    lease: timedelta = timedelta(seconds=30)
    look: timedelta = timedelta(seconds=0.1)
    remembered: timedelta = timedelta(days=7)
    patience: timedelta = PATIENCE

    def __post_init__(self) -> None:
        if not timedelta() < self.look < self.lease:
            raise ValueError("a queue needs 0 < look < lease")

    @property
    def renewal(self) -> timedelta:
        """How often leases are renewed: in time even if one renewal fails."""
        return self.lease / 3


STANDARD = SqliteOptions()
