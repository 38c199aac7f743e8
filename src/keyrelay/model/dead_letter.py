"""Dead letters: buried triggers, with all that is needed to understand and redrive."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import STANDARD_LIFETIME, Lifetime, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`settlement.done` are the parts that a redriven trigger leaves out."""

    trigger: Trigger
    settlement: Bury
    attempts: int
    buried_at: datetime

    def redriven(self, now: datetime) -> Trigger:
        """Return the trigger with its whole lifetime before it again, from `now` on.

        If its producer's clock was ahead, the lifetime begins at `raised_at`; without
        length it is the usual one. Id and `raised_at` stay, so that the message and its
        Message-ID are the same; its date is decided anew.
        """
        lifetime = self.trigger.lifetime
        begin = max(now, lifetime.raised_at)
        length = lifetime.deadline - lifetime.raised_at
        deadline = _later(begin, length or STANDARD_LIFETIME)
        redriven = Lifetime(raised_at=lifetime.raised_at, deadline=deadline)
        return replace(self.trigger, lifetime=redriven.dated(now))


def _later(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:  # a deadline at the end of the calendar stays there
        return datetime.max.replace(tzinfo=UTC)
