"""Dead-letter query: which letters are meant, newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_

from keyrelay.model.cursor import Cursor
from keyrelay.model.outcome import Fault
from keyrelay.stores.schema.tables import dead_letters
from keyrelay.stores.unreadable import Statement

_LETTERS = dead_letters.c


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterQuery:
    """Which letters of a profile, newest first; None means any.

    `after` is the place of a letter: those that come after it.
    """

    action: str | None = None
    fault: Fault | None = None
    since: datetime | None = None
    after: Cursor | None = None
    page: int = 1
    amount: int = 20


def matching(chosen: Statement, profile: str, query: DeadLetterQuery) -> Statement:
    """Return the statement for the letters that match, newest first."""
    wanted = chosen.where(_LETTERS.profile == profile)
    if query.action is not None:
        wanted = wanted.where(_LETTERS.action == query.action)
    if query.fault is not None:
        wanted = wanted.where(_LETTERS.fault == query.fault)
    if query.since is not None:
        wanted = wanted.where(_LETTERS.buried_at >= query.since)
    if query.after is not None:
        at, trigger = query.after.at, query.after.id
        same_moment = and_(_LETTERS.buried_at == at, _LETTERS.trigger > trigger)
        # The first says where an index begins.
        wanted = wanted.where(
            _LETTERS.buried_at <= at, or_(_LETTERS.buried_at < at, same_moment)
        )
    return wanted.order_by(_LETTERS.buried_at.desc(), _LETTERS.trigger)
