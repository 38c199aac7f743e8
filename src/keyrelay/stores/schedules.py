"""Schedules: up to which due time each action and analysis was fired.

Their rows are not authenticated. What is due is decided by definitions, which are; a
row that was altered by hand makes one due time come earlier, later or never.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.run import RunOrder, RunOrigin, RunState
from keyrelay.stores.definitions.definition_index import TABLES
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.runs.records import keep_run
from keyrelay.stores.schema.run_tables import runs
from keyrelay.stores.schema.schedule_tables import schedules

_s, _r = schedules.c, runs.c
_TOGETHER = 500  # rows read or written at once

ScheduleKey = tuple[str, Noun, str]  # profile, noun, id


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMark:
    """`times` as the definition says them, counted from `since`.

    `last` is the last due time that was fired or passed over.
    """

    times: str
    since: datetime
    last: datetime


class RunFiring(Enum):
    """What became of the run of an analysis that is due."""

    KEPT = auto()
    PASSED = auto()  # over: the run of the due time before has not ended
    ELSEWHERE = auto()  # another process was faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """What is written is durable on return. Each method raises Unavailable."""

    database: Database

    async def begin(
        self, wanted: Mapping[ScheduleKey, str]
    ) -> Mapping[ScheduleKey, DueMark]:
        """Return the marks of those with these times.

        One that is new, or whose times are others, counts from when its definition was
        last written. Those that are not there any more are left out.
        """
        found = await self._read(wanted)
        missing = {key: times for key, times in wanted.items() if key not in found}
        keys = sorted(missing)
        for first in range(0, len(keys), _TOGETHER):
            part = {key: missing[key] for key in keys[first : first + _TOGETHER]}
            found.update(await self._begin(part))
        return found

    async def read(self, key: ScheduleKey) -> DueMark | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(schedules).where(_is(key)))).first()
        if row is None:
            return None
        return DueMark(times=row.times, since=row.since, last=row.last)

    async def advance(self, key: ScheduleKey, mark: DueMark, due: datetime) -> bool:
        """Move the mark on to a due time; False, another process did."""
        async with self.database.writing() as connection:
            return await _advance(connection, key, mark, due)

    async def fire_run(
        self, key: ScheduleKey, mark: DueMark, due: datetime, order: RunOrder
    ) -> RunFiring:
        """Keep the run of a due time and move the mark on, both or neither."""
        async with self.database.writing() as connection:
            if not await _advance(connection, key, mark, due):
                return RunFiring.ELSEWHERE
            if await _is_under_way(connection, order):
                return RunFiring.PASSED
            await keep_run(connection, order)
        return RunFiring.KEPT

    async def forget(self, keys: Collection[ScheduleKey]) -> None:
        """Forget those that are not due at any time now."""
        async with self.database.writing() as connection:
            for key in sorted(keys):
                await connection.execute(delete(schedules).where(_is(key)))

    async def _read(
        self, wanted: Mapping[ScheduleKey, str]
    ) -> dict[ScheduleKey, DueMark]:
        found = dict[ScheduleKey, DueMark]()
        own = {tuple(map(str, key)): key for key in wanted}
        ids = sorted({id_ for _, _, id_ in wanted})
        async with self.database.reading() as connection:
            for first in range(0, len(ids), _TOGETHER):
                part = select(schedules).where(
                    _s.id.in_(ids[first : first + _TOGETHER])
                )
                for row in await connection.execute(part):
                    key = own.get((row.profile, row.noun, row.id))
                    if key is not None and wanted[key] == row.times:
                        found[key] = DueMark(
                            times=row.times, since=row.since, last=row.last
                        )
        return found

    async def _begin(
        self, wanted: Mapping[ScheduleKey, str]
    ) -> Mapping[ScheduleKey, DueMark]:
        begun = dict[ScheduleKey, DueMark]()
        async with self.database.writing() as connection:
            for key, times in wanted.items():
                mark = await _begin(connection, key, times)
                if mark is not None:
                    begun[key] = mark
        return begun


async def forget_schedule(connection: AsyncConnection, noun: Noun, id_: str) -> None:
    """Forget what was fired of a definition that is deleted."""
    await connection.execute(delete(schedules).where(_s.noun == noun, _s.id == id_))


async def _begin(
    connection: AsyncConnection, key: ScheduleKey, times: str
) -> DueMark | None:
    before = (await connection.execute(select(schedules).where(_is(key)))).first()
    if before is not None and before.times == times:  # by another process, just now
        return DueMark(times=times, since=before.since, last=before.last)
    profile, noun, id_ = key
    table = TABLES[noun]
    written = select(table.c.updated_at).where(table.c.id == id_)
    since = await connection.scalar(written.where(table.c.profile == profile))
    if since is None:
        return None
    mark = {"times": times, "since": since, "last": since}
    if before is None:
        row = {"profile": profile, "noun": noun, "id": id_, **mark}
        await connection.execute(insert(schedules).values(row))
    else:
        await connection.execute(update(schedules).where(_is(key)).values(mark))
    return DueMark(times=times, since=since, last=since)


async def _advance(
    connection: AsyncConnection, key: ScheduleKey, mark: DueMark, due: datetime
) -> bool:
    same = and_(_is(key), _s.times == mark.times, _s.last == mark.last)
    moved = await connection.execute(update(schedules).where(same).values(last=due))
    return moved.rowcount > 0


async def _is_under_way(connection: AsyncConnection, order: RunOrder) -> bool:
    """Tell whether the last run that the schedule asked for has not ended."""
    its = (_r.profile == order.profile, _r.analysis == order.analysis)
    of_schedule = select(_r.state).where(*its, _r.origin == RunOrigin.SCHEDULE)
    # Ids sort by the second of the due time.
    state = await connection.scalar(of_schedule.order_by(_r.id.desc()).limit(1))
    return state in (RunState.WAITING, RunState.RUNNING)


def _is(key: ScheduleKey) -> ColumnElement[bool]:
    profile, noun, id_ = key
    return and_(_s.profile == profile, _s.noun == noun, _s.id == id_)
