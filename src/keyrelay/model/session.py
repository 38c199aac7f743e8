"""Sessions: a person signed in to the console, in one browser."""

from dataclasses import dataclass
from datetime import datetime, timedelta

IDLE = timedelta(hours=1)  # without a page that was asked for
LONGEST = timedelta(hours=12)  # after which one signs in again


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """`digest` is that of the profile token with which the session began.

    `operator` is that of an operator token that was added to it, if one was.
    """

    id: str
    digest: bytes
    operator: bytes | None
    began_at: datetime

    def has_ended(self, seen_at: datetime, now: datetime) -> bool:
        """Tell whether it is over, by when a page was last asked for."""
        return now - self.began_at >= LONGEST or now - seen_at >= IDLE
