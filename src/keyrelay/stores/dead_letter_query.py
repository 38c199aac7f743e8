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
    """Which letters of a profile; None means any.

    `reason` stands in theirs, in whatever letter case. `triggers` are their ids.
    """

    action: str | None = None
    fault: Fault | None = None
    reason: str | None = None
    since: datetime | None = None
    triggers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPage:
    """Which of the letters, newest first; those after the place of one, if given."""

    after: Cursor | None = None
    number: int = 1
    amount: int = 20


FIRST_LETTERS = LetterPage()


def matching(chosen: Statement, profile: str, query: DeadLetterQuery) -> Statement:
    """Return the statement for the letters that match, newest first."""
    wanted = chosen.where(_LETTERS.profile == profile)
    if query.action is not None:
        wanted = wanted.where(_LETTERS.action == query.action)
    if query.fault is not None:
        wanted = wanted.where(_LETTERS.fault == query.fault)
    if query.reason is not None:
        wanted = wanted.where(_LETTERS.reason.icontains(query.reason, autoescape=True))
    if query.since is not None:
        wanted = wanted.where(_LETTERS.buried_at >= query.since)
    if query.triggers is not None:
        wanted = wanted.where(_LETTERS.trigger.in_(query.triggers))
    return wanted.order_by(_LETTERS.buried_at.desc(), _LETTERS.trigger)


def behind(wanted: Statement, place: Cursor) -> Statement:
    """Return the statement for those of the letters that come after this place."""
    same_moment = and_(_LETTERS.buried_at == place.at, _LETTERS.trigger > place.id)
    # The first says where an index begins.
    return wanted.where(
        _LETTERS.buried_at <= place.at, or_(_LETTERS.buried_at < place.at, same_moment)
    )
