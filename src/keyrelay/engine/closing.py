"""Closing: nothing of a profile is attempted while its definitions are not believed.

It waits for a person.
"""

from datetime import timedelta

from keyrelay.model.audit import Report
from keyrelay.model.catalog import Catalog
from keyrelay.model.outcome import Deferred
from keyrelay.model.trigger import Trigger

_AGAIN = timedelta(minutes=1)  # between two looks at a profile that is closed
_GONE_BACK = (
    "the definitions are older than when it was accepted: if a backup was restored on"
    " purpose, `keyrelay restore --accept` goes on with them"
)


def closed_by(catalog: Catalog, trigger: Trigger) -> str | None:
    """Say why nothing of the trigger's profile is attempted; None, it is open."""
    if catalog.revision.is_older_than(trigger.lifetime.revision):
        return _GONE_BACK
    return catalog.omitted.profiles.get(trigger.profile)


def held_while(closed: str) -> Report:
    waits = Deferred(closed, not_before=_AGAIN, spends_attempt=False)
    return Report(outcome=waits, held=True)
