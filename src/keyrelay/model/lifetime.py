"""Lifetime: when a trigger was raised, and until when it is tried."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self

from keyrelay.model.revision import Revision

STANDARD_LIFETIME = timedelta(hours=24)
# Servers refuse a mail whose date is further away, and mailboxes sort it out of sight.
_OLDEST_DATE = timedelta(days=1)
_MOST_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When a trigger was raised, and when its retries end; both in UTC.

    `dated_at` is the date of its message (RFC 5322, 3.6.1), None until it is decided.
    `revision` is that of the definitions when the trigger was accepted; None, it is not
    known. `publisher` is the id of the token that the API accepted it from; None, it
    came in another way. A source keeps these three, or what decides them; no part of
    what is encoded is.
    """

    raised_at: datetime
    deadline: datetime
    dated_at: datetime | None = field(default=None, compare=False)
    revision: Revision | None = field(default=None, compare=False)
    publisher: str | None = field(default=None, compare=False)

    @property
    def date(self) -> datetime:
        return self.dated_at or self.raised_at

    def dated(self, first_seen: datetime) -> Self:
        """Decide the date: when it was raised, unless that is far from `first_seen`.

        `first_seen` is when the trigger was accepted or first claimed, by our clock.
        """
        ahead = self.raised_at - first_seen
        is_near = -_OLDEST_DATE <= ahead <= _MOST_AHEAD
        return replace(self, dated_at=self.raised_at if is_near else first_seen)


# Those that are accepted together have the same one: to make it anew for each took a
# tenth of the time that a trigger takes.
@lru_cache(maxsize=16)
def standard_lifetime(
    raised_at: datetime, accepted_at: datetime, publisher: str | None
) -> Lifetime:
    """Return that of triggers which name no time."""
    deadline = standard_deadline(raised_at, accepted_at)
    return Lifetime(raised_at=raised_at, deadline=deadline, publisher=publisher)


def standard_deadline(raised_at: datetime, accepted_at: datetime) -> datetime:
    """Return that of triggers which name none."""
    # By the clock that accepted it: the producer's may be wrong by any time.
    return max(raised_at, _later(accepted_at, STANDARD_LIFETIME))


def _later(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:  # a deadline at the end of the calendar stays there
        return datetime.max.replace(tzinfo=UTC)
