"""Watchdog: notices a consumer that gets nothing although there is something for it.

Kafka clients are known to lock up without an error, for example after the coordinator
has forgotten their member id.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


class Stalled(Exception):
    """The consumer does not recover by itself; the message says what it fails to do."""


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """`moved_at` is when a record was last fetched. `left_at` is when the last
    rebalance began; None, it is over."""

    patience: timedelta
    moved_at: datetime
    left_at: datetime | None

    def moved(self, now: datetime) -> None:
        self.moved_at = now

    def left(self, now: datetime) -> None:
        self.left_at = self.left_at or now

    def joined(self, now: datetime) -> None:
        self.left_at, self.moved_at = None, now

    def check(self, now: datetime, *, behind: bool) -> None:
        """Raise Stalled; `behind` is whether there are records for the consumer."""
        if self.left_at is not None and now - self.left_at > self.patience:
            raise Stalled("it does not get back into its group")
        if self.left_at is None and behind and now - self.moved_at > self.patience:
            raise Stalled("it gets nothing although there is something for it")
