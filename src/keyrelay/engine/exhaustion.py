"""Exhaustion: what is attempted no more, whatever its definitions say."""

from datetime import datetime

from keyrelay.model.outcome import Fault, ReasonClass, Rejected, Uncertain
from keyrelay.ports import Lease


def exhausted(
    lease: Lease, attempts: int, now: datetime
) -> Rejected | Uncertain | None:
    """Say why a trigger, or a run, has no attempt left; None, it has."""
    if now > lease.trigger.lifetime.deadline:
        return Rejected(
            "its deadline passed before an attempt",
            Fault.TRIGGER,
            why=ReasonClass.EXPIRED,
        )
    if lease.number > attempts:
        # An attempt that always ends early, by a crash for example, must not repeat for
        # ever.
        return Uncertain(
            "its attempts were cut short, the last one too", why=ReasonClass.CUT_SHORT
        )
    return None
