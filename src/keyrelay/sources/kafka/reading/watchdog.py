"""Watchdog: notices a consumer that gets nothing although there is something for it.

Clients of Kafka are known to lock up, after a member id that the coordinator does not
know any more for example, without saying so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


class Stalled(Exception):
    """The consumer does not go on by itself; the message says what it does not do."""


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """`moved_at` is when something last came; `left_at`, since when we have no
    partitions because we are joining the group again."""

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
        """Raise Stalled; `behind` is whether there is anything for the consumer."""
        if self.left_at is not None and now - self.left_at > self.patience:
            raise Stalled("it does not get back into its group")
        if self.left_at is None and behind and now - self.moved_at > self.patience:
            raise Stalled("it gets nothing although there is something for it")
