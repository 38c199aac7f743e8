"""Inspection: what can be read of the queue without changing it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
)

from keyrelay.databases.database import Database, begins, text_of
from keyrelay.databases.page_sizes import page_sizes
from keyrelay.model.backlog import (
    Depth,
    QueueEntry,
    QueueQuery,
    QueueStatus,
    TriggerState,
)
from keyrelay.model.cursor import no_cursor
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.sources.sqlite.rows import (
    Held,
    entry_of,
    instant_of,
    status_of,
    to_microseconds,
)
from keyrelay.sources.sqlite.schema import triggers
from keyrelay.sources.sqlite.statements import STRANDED

_t = triggers.c


_PAGE = 500  # rows of a list in one transaction, at most
_DIGITS = 19  # those of the largest sequence that SQLite can keep

_STATUS = select(triggers).where(
    _t.profile == bindparam("profile"), _t.id == bindparam("id")
)
# All but the body, which may be large.
_ENTRY = select(*(column for column in _t if column.name != "body"))

_IS_WAITING = and_(_t.token.is_(None), _t.held.is_(None))
_IS: dict[TriggerState, ColumnElement[bool]] = {
    TriggerState.WAITING: and_(_IS_WAITING, _t.attempts == 0),
    TriggerState.RETRYING: and_(_IS_WAITING, _t.attempts > 0),
    TriggerState.HELD: and_(_t.held.is_not(None), _t.held != Held.CANCELLING.value),
    TriggerState.CANCELLING: _t.held == Held.CANCELLING.value,
    TriggerState.LEASED: _t.token.is_not(None),
}

_DUE = select(func.count(), func.min(_t.due)).where(_t.due <= bindparam("now"))
_LEASED = select(func.count()).where(_t.token.is_not(None))
_UNSETTLED = select(func.count()).where(_t.settled_at.is_(None))
_HELD = _UNSETTLED.where(_IS[TriggerState.HELD])
_SOME_UNSETTLED = select(func.count()).select_from(
    select(literal(1))
    .where(_t.profile == bindparam("profile"), _t.settled_at.is_(None))
    .limit(bindparam("most"))
    .subquery()
)
_SOME_DUE = select(func.count()).select_from(
    select(literal(1))
    .where(_t.due <= bindparam("now"))
    .limit(bindparam("most"))
    .subquery()
)
_NEXT = select(func.min(_t.due)).where(_t.due > bindparam("now"))
_DUE_AFTER = select(select(_t.sequence).where(_t.due > bindparam("latest")).exists())
_BUSY = select(
    or_(
        select(_t.sequence).where(_t.due <= bindparam("now")).exists(),
        select(_t.sequence).where(_t.token.is_not(None)).exists(),
    )
)


# One look-up in the index for each secret, however many triggers wait for it.
_WAITED_FOR = text("""
WITH RECURSIVE waited (secret) AS (
  SELECT min(waits_for) FROM triggers WHERE waits_for IS NOT NULL
  UNION ALL
  SELECT (SELECT min(waits_for) FROM triggers WHERE waits_for > waited.secret)
  FROM waited WHERE waited.secret IS NOT NULL
)
SELECT secret FROM waited WHERE secret IS NOT NULL
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How many triggers are due, and when the next one will be; None, none will."""

    due: int
    next: datetime | None


NOTHING_DUE = Outlook(due=0, next=None)


async def publisher(database: Database, profile: str, id_: str) -> str | None:
    wanted = select(_t.publisher).where(_t.profile == profile, _t.id == id_)
    async with database.reading() as connection:
        found = await connection.scalar(wanted)
    return None if found is None else text_of(found)


async def status(database: Database, profile: str, id_: str) -> QueueStatus | None:
    async with database.reading() as connection:
        found = await connection.execute(_STATUS, {"profile": profile, "id": id_})
        row = found.one_or_none()
    if row is None:
        return None
    return status_of(row, _trigger(row.body))


async def entries(
    database: Database, profile: str, query: QueueQuery, after: str
) -> AsyncIterator[QueueEntry]:
    """Yield the unsettled triggers of a profile in the order of their acceptance."""
    wanted, last = _matching(query), _sequence_at(after)
    for most in page_sizes(_PAGE):
        named = {"profile": profile, "after": last, "most": most}
        async with database.reading() as connection:
            page = (await connection.execute(wanted, named)).all()
        for row in page:
            last = row.sequence
            yield entry_of(row)
        if len(page) < most:
            return


async def count_unsettled(database: Database, profile: str, most: int) -> int:
    named = {"profile": profile, "most": most}
    async with database.reading() as connection:
        return int((await connection.execute(_SOME_UNSETTLED, named)).scalar_one())


async def count_held(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(_HELD)).scalar_one())


def _sequence_at(place: str) -> int:
    if place == "":
        return 0
    if not (place.isascii() and place.isdigit() and len(place) < _DIGITS):
        raise no_cursor()
    return int(place)


def _matching(query: QueueQuery) -> Select[*tuple[object, ...]]:
    wanted = _ENTRY.where(
        _t.settled_at.is_(None),
        _t.profile == bindparam("profile"),
        _t.sequence > bindparam("after"),
    )
    if query.state is not None:
        wanted = wanted.where(_IS[query.state])
    if query.action is not None:
        wanted = wanted.where(_t.action == query.action)
    if query.secret is not None:
        uses = _t.action.in_(sorted(query.users))
        wanted = wanted.where(or_(_t.waits_for == query.secret, uses))
    if query.accepted.since is not None:
        since = to_microseconds(query.accepted.since)
        wanted = wanted.where(_t.accepted_at >= since)
    if query.accepted.until is not None:
        wanted = wanted.where(_t.accepted_at < to_microseconds(query.accepted.until))
    if query.reason is not None:
        wanted = wanted.where(_t.reason.icontains(query.reason, autoescape=True))
    return wanted.order_by(_t.sequence).limit(bindparam("most"))


async def beginning(
    database: Database, profile: str, sought: Beginnings
) -> Sequence[str]:
    """Return the ids of triggers that begin so, sorted."""
    found = select(_t.id).where(_t.profile == profile, begins(_t.id, sought.texts))
    async with database.reading() as connection:
        ordered = found.order_by(_t.id).limit(sought.most)
        return [text_of(id_) for id_ in await connection.scalars(ordered)]


def _trigger(body: object) -> Trigger | None:
    """Return what the row holds; None once it is settled, or if it cannot be read."""
    try:
        return Trigger.decode(body) if isinstance(body, bytes) else None
    except MalformedTrigger:
        return None


async def depth(database: Database, now: datetime) -> Depth:
    at = {"now": to_microseconds(now)}
    async with database.reading() as connection:
        due, first = (await connection.execute(_DUE, at)).one()
        leased = (await connection.execute(_LEASED)).scalar_one()
        unsettled = (await connection.execute(_UNSETTLED)).scalar_one()
    return Depth(
        waiting=unsettled - leased,
        due=due,
        leased=leased,
        age=now - (instant_of(first) or now),
    )


async def outlook(database: Database, now: datetime, most: int) -> Outlook:
    """Count what is due, up to `most`."""
    at = {"now": to_microseconds(now)}
    async with database.reading() as connection:
        due = (await connection.execute(_SOME_DUE, at | {"most": most})).scalar_one()
        first = (await connection.execute(_NEXT, at)).scalar_one()
    return Outlook(due=due, next=instant_of(first))


async def is_any_due_after(database: Database, microseconds: int) -> bool:
    """Return whether any trigger is due later than that."""
    async with database.reading() as connection:
        found = await connection.execute(_DUE_AFTER, {"latest": microseconds})
        return bool(found.scalar_one())


async def is_any_stranded(database: Database) -> bool:
    """Return whether any trigger would never be due, which takes a look at each."""
    async with database.reading() as connection:
        found = await connection.execute(STRANDED.limit(1))
        return found.first() is not None


async def waited_for(database: Database) -> Sequence[str]:
    """Return the ids of the secrets that triggers wait for."""
    async with database.reading() as connection:
        return [str(secret) for secret in await connection.scalars(_WAITED_FOR)]


async def is_drained(database: Database, now: datetime) -> bool:
    """Return whether nothing is due, and nothing leased by any process."""
    async with database.reading() as connection:
        busy = await connection.execute(_BUSY, {"now": to_microseconds(now)})
        return not busy.scalar_one()
