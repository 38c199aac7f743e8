"""Dead letters: buried triggers, with all that is needed to understand and redrive."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keyrelay.model.lifetime import STANDARD_LIFETIME, Lifetime
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger


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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTrigger:
    """What stands where a trigger should, as it stands: its bytes and its done parts.

    `profile` and `id` are those under which it is kept, perhaps damaged themselves.
    """

    profile: str
    id: str
    raw: bytes
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableLetter:
    """A dead letter of what cannot be read as a trigger."""

    trigger: UnreadableTrigger
    reason: str
    fault: Fault
    attempts: int
    buried_at: datetime


# Keeps the letters durably on return, in place of those kept of the same triggers.
# Raises Unavailable.
UnreadableBurials = Callable[[Sequence[UnreadableLetter]], Awaitable[object]]


def _later(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:  # a deadline at the end of the calendar stays there
        return datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenLetter:
    """A letter as it was when it was chosen; without `buried_at`, as it is now."""

    trigger: str
    buried_at: datetime | None = None
