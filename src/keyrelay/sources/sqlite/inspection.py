"""Inspection: what can be read of the queue without changing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, literal, or_, select

from keyrelay.databases.database import Database, begins
from keyrelay.model.backlog import Depth, QueueStatus, TriggerState
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.sources.sqlite.rows import Settled, to_instant, to_microseconds
from keyrelay.sources.sqlite.schema import triggers

_t = triggers.c


_STATUS = select(
    _t.body, _t.attempts, _t.accepted_at, _t.due, _t.token, _t.settled_at, _t.settlement
).where(_t.profile == bindparam("profile"), _t.id == bindparam("id"))

_DUE = select(func.count(), func.min(_t.due)).where(_t.due <= bindparam("now"))
_LEASED = select(func.count()).where(_t.token.is_not(None))
_TIMED = select(func.count()).where(_t.due.is_not(None))
_BLOCKED = select(func.count()).where(_t.due.is_(None), _t.settled_at.is_(None))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How many triggers are due, and when the next one will be; None, none will."""

    due: int
    next: datetime | None


NOTHING_DUE = Outlook(due=0, next=None)


async def status(database: Database, profile: str, id_: str) -> QueueStatus | None:
    async with database.reading() as connection:
        found = await connection.execute(_STATUS, {"profile": profile, "id": id_})
        row = found.one_or_none()
    if row is None:
        return None
    return QueueStatus(
        state=_state(row.settlement, row.token),
        attempts=row.attempts,
        accepted_at=to_instant(row.accepted_at),
        due=None if row.due is None else to_instant(row.due),
        settled_at=None if row.settled_at is None else to_instant(row.settled_at),
        trigger=_trigger(row.body),
    )


async def beginning(
    database: Database, profile: str, sought: Beginnings
) -> Sequence[str]:
    """Return the ids of triggers that begin so, sorted."""
    found = select(_t.id).where(_t.profile == profile, begins(_t.id, sought.texts))
    async with database.reading() as connection:
        ordered = found.order_by(_t.id).limit(sought.most)
        return (await connection.scalars(ordered)).all()


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
        timed = (await connection.execute(_TIMED)).scalar_one()
        blocked = (await connection.execute(_BLOCKED)).scalar_one()
    return Depth(
        waiting=timed + blocked - leased,
        due=due,
        leased=leased,
        age=timedelta() if first is None else now - to_instant(first),
    )


async def outlook(database: Database, now: datetime, most: int) -> Outlook:
    """Count what is due, up to `most`."""
    at = {"now": to_microseconds(now)}
    async with database.reading() as connection:
        due = (await connection.execute(_SOME_DUE, at | {"most": most})).scalar_one()
        first = (await connection.execute(_NEXT, at)).scalar_one()
    return Outlook(due=due, next=None if first is None else to_instant(first))


async def is_any_due_after(database: Database, microseconds: int) -> bool:
    """Return whether any trigger is due later than that."""
    async with database.reading() as connection:
        found = await connection.execute(_DUE_AFTER, {"latest": microseconds})
        return bool(found.scalar_one())


async def is_drained(database: Database, now: datetime) -> bool:
    """Return whether nothing is due, and nothing leased by any process."""
    async with database.reading() as connection:
        busy = await connection.execute(_BUSY, {"now": to_microseconds(now)})
        return not busy.scalar_one()


def _state(settlement: str | None, token: str | None) -> TriggerState:
    if settlement is None:
        return TriggerState.WAITING if token is None else TriggerState.LEASED
    return TriggerState.DONE if settlement == Settled.DONE else TriggerState.BURIED
