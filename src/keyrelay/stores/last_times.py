"""Last times: when actions were last triggered, and the like, beside the definitions.

They are no part of what is authenticated, and make no revision: a time that was altered
by hand releases nothing.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, text

from keyrelay.concurrency.background import background
from keyrelay.databases.database import Database
from keyrelay.model.audit import AttemptRecord, AuditRecord
from keyrelay.model.outcome import ReasonClass
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.token import Token
from keyrelay.model.world import World
from keyrelay.ports import AuditLog, Unavailable
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.schema.attempt_tables import last_times
from keyrelay.stores.unreadable import UnreadableRow, read_all

WRITTEN_EACH = timedelta(seconds=2)
USES_NOTED_EACH = timedelta(minutes=1)

log = logging.getLogger(__name__)

_TIMES = last_times.c
_TOGETHER = 500  # rows in one transaction
_MOST_TOKENS = 10_000  # whose last use is in memory

_Key = tuple[str, Noun, str]  # profile, noun, id

# It never goes back: another process may have written a later one.
_KEEP = text(
    "INSERT INTO last_times (profile, noun, id, at)"
    " VALUES (:profile, :noun, :id, :at)"
    " ON CONFLICT (profile, noun, id) DO UPDATE SET at = excluded.at"
    " WHERE last_times.at < excluded.at"
).bindparams(*(bindparam(each.name, type_=each.type) for each in last_times.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTimes:
    """Each method raises Unavailable."""

    database: Database

    async def read(
        self, profile: str, noun: Noun, ids: Sequence[str]
    ) -> Mapping[str, datetime]:
        """Return the last times of those of these ids that have one."""
        wanted = select(_TIMES.id, _TIMES.at).where(
            _TIMES.profile == profile, _TIMES.noun == noun, _TIMES.id.in_(ids)
        )
        async with self.database.reading() as connection:
            rows = await read_all(connection, wanted, {}, lambda row: (row.id, row.at))
        return dict(row for row in rows if not isinstance(row, UnreadableRow))

    async def keep(self, times: Mapping[_Key, datetime]) -> None:
        """Write those that are later than what is written."""
        # In one order, as two processes may write the same rows.
        rows = [
            {"profile": key[0], "noun": key[1], "id": key[2], "at": at}
            for key, at in sorted(times.items())
        ]
        for first in range(0, len(rows), _TOGETHER):
            async with self.database.transaction() as connection:
                await connection.execute(_KEEP, rows[first : first + _TOGETHER])


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedTimes:
    """Last times that this process knows, written together every few seconds."""

    behind: LastTimes
    world: World
    _noted: dict[_Key, datetime] = field(default_factory=dict, init=False)

    def note(self, noun: Noun, profile: str, id_: str, at: datetime) -> None:
        """Note that it happened then, unless a later time is noted already."""
        key = (profile, noun, id_)
        self._noted[key] = max(at, self._noted.get(key, at))

    async def write(self) -> None:
        """Write what is noted. Raises Unavailable; then it stays noted."""
        written = dict(self._noted)
        await self.behind.keep(written)
        for key, at in written.items():
            if self._noted[key] == at:
                del self._noted[key]

    async def keep_writing(self) -> None:
        while True:
            await self.world.sleep(WRITTEN_EACH)
            await self._write_if_possible()

    async def _write_if_possible(self) -> None:
        try:
            await self.write()
        except Unavailable as fault:
            log.info("last times not written", extra={"reason": str(fault)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUses:
    """When tokens were last used, to a minute: one is noted that often at most."""

    times: NotedTimes
    _noted: dict[str, datetime] = field(default_factory=dict, init=False)

    def note(self, token: Token, at: datetime) -> None:
        last = self._noted.get(token.id)
        # A clock that was set back must not leave a use unnoted for longer.
        if last is not None and timedelta() <= at - last < USES_NOTED_EACH:
            return
        if len(self._noted) >= _MOST_TOKENS:
            self._noted.clear()  # those in use are noted once more
        self._noted[token.id] = at
        self.times.note(Noun.TOKEN, token.profile, token.id, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotingAuditLog:
    """ports.AuditLog: notes when each action was last triggered.

    Of runs it is the analysis that was last run: `noun` says which.
    """

    behind: AuditLog
    times: NotedTimes
    noun: Noun = Noun.ACTION

    async def append(self, record: AuditRecord) -> None:
        await self.behind.append(record)
        match record:
            # A trigger may name any id as its action.
            case AttemptRecord(attempt=tried, report=report) if (
                report.reason_class is not ReasonClass.NO_DEFINITION
            ):
                self.times.note(self.noun, tried.profile, tried.action, record.at)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        return await self.behind.attempts(profile, trigger, since)


@asynccontextmanager
async def open_noted_times(
    database: Database, world: World
) -> AsyncIterator[NotedTimes]:
    """Give times to note; what is noted is written every few seconds and at the end."""
    times = NotedTimes(behind=LastTimes(database=database), world=world)
    try:
        async with background(times.keep_writing()):
            yield times
    finally:
        await times._write_if_possible()  # noqa: SLF001 - its own module
