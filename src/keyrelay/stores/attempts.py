"""Attempts: listed and counted from their projection, without reading records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, Tuple, func, literal, select, tuple_

from keyrelay.databases.database import Database
from keyrelay.model.cursor import Cursor
from keyrelay.model.outcome import ReasonClass
from keyrelay.stores.schema.attempt_tables import attempt_counts, attempts
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_all, read_rows

_ATTEMPTS, _COUNTS = attempts.c, attempt_counts.c
_place = tuple_(_ATTEMPTS.at, _ATTEMPTS.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFilter:
    """What attempts have in common; what is None does not matter.

    `outcome` is one of model/audit.RESULTS.
    """

    trigger: str | None = None
    action: str | None = None
    secret: str | None = None
    outcome: str | None = None
    reason_class: ReasonClass | None = None


EVERY = AttemptFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptQuery:
    """Which of a profile's attempts, newest first, in `since` <= at < `until`.

    `after` is where the page before ended.
    """

    having: AttemptFilter = EVERY
    since: datetime | None = None
    until: datetime | None = None
    after: Cursor | None = None
    amount: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnding:
    """How an attempt ended: one of model/audit.RESULTS, and why."""

    outcome: str
    reason_class: ReasonClass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAttempt:
    """An attempt as lists have it; `id` is its record's."""

    id: str
    at: datetime
    trigger: str
    action: str
    secret: str | None
    ending: AttemptEnding


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPage:
    """`after` leads to the next page; None, this is the last."""

    attempts: Sequence[ListedAttempt]
    after: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteCount:
    """How many attempts had this outcome in the minute that began then."""

    minute: datetime
    outcome: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStore:
    """Each method raises Unavailable."""

    database: Database

    async def list(self, profile: str, query: AttemptQuery) -> AttemptPage:
        """Return a page of attempts; what is recorded meanwhile moves none of them.

        A row that cannot be read is left out: its record is in the audit trail.
        """
        async with self.database.reading() as connection:
            rows = Slice(0, query.amount)
            found = await read_rows(connection, _listed(profile, query), rows, _attempt)
        listed = [row for row in found if not isinstance(row, UnreadableRow)]
        more = len(found) == query.amount and len(listed) > 0
        after = Cursor(listed[-1].at, listed[-1].id) if more else None
        return AttemptPage(attempts=listed, after=after)

    async def behind(
        self, profile: str, place: Cursor, most: int
    ) -> Sequence[ListedAttempt]:
        """Return the first attempts behind a place, oldest first.

        A row that cannot be read is left out.
        """
        wanted = (
            select(attempts)
            .where(_ATTEMPTS.profile == profile, _place > _at(place))
            .order_by(_ATTEMPTS.at, _ATTEMPTS.id)
        )
        async with self.database.reading() as connection:
            found = await read_rows(connection, wanted, Slice(0, most), _attempt)
        return [row for row in found if not isinstance(row, UnreadableRow)]

    async def counts(
        self,
        profile: str,
        since: datetime,
        until: datetime,
        action: str | None = None,
    ) -> Sequence[MinuteCount]:
        """Return the counts of minutes that began in `since` <= minute < `until`.

        They are sorted by minute, then by outcome; where there was no attempt, there is
        no count.
        """
        async with self.database.reading() as connection:
            counted = _counted(profile, since, until, action)
            found = await read_all(connection, counted, {}, _count)
        return [row for row in found if not isinstance(row, UnreadableRow)]


def _listed(profile: str, query: AttemptQuery) -> Select[tuple[object, ...]]:
    having = query.having
    wanted: Mapping[str, str | None] = {
        "trigger": having.trigger,
        "action": having.action,
        "secret": having.secret,
        "outcome": having.outcome,
        "reason_class": having.reason_class,
    }
    statement = select(attempts).where(_ATTEMPTS.profile == profile)
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(_ATTEMPTS[column] == value)
    if query.since is not None:
        statement = statement.where(_ATTEMPTS.at >= query.since)
    if query.until is not None:
        statement = statement.where(_ATTEMPTS.at < query.until)
    if query.after is not None:
        statement = statement.where(_place < _at(query.after))
    return statement.order_by(_ATTEMPTS.at.desc(), _ATTEMPTS.id.desc())


def _at(place: Cursor) -> Tuple:
    return tuple_(
        literal(place.at, _ATTEMPTS.at.type), literal(place.id, _ATTEMPTS.id.type)
    )


def _counted(
    profile: str, since: datetime, until: datetime, action: str | None
) -> Select[tuple[object, ...]]:
    statement = select(
        _COUNTS.minute, _COUNTS.outcome, func.sum(_COUNTS.count).label("number")
    ).where(_COUNTS.profile == profile, _COUNTS.minute >= since, _COUNTS.minute < until)
    if action is not None:
        statement = statement.where(_COUNTS.action == action)
    each = (_COUNTS.minute, _COUNTS.outcome)
    return statement.group_by(*each).order_by(*each)


def _attempt(row: AnyRow) -> ListedAttempt:
    """Raises ValueError or TypeError for what no process writes."""
    texts = (row.id, row.trigger, row.action, row.secret or "", row.outcome)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    reason_class = ReasonClass(row.reason_class)
    ending = AttemptEnding(outcome=row.outcome, reason_class=reason_class)
    return ListedAttempt(
        id=row.id,
        at=row.at,
        trigger=row.trigger,
        action=row.action,
        secret=row.secret,
        ending=ending,
    )


def _count(row: AnyRow) -> MinuteCount:
    return MinuteCount(
        minute=row.minute, outcome=str(row.outcome), count=int(str(row.number))
    )
