"""Job records: jobs as faces start, see and cancel them.

Their rows are not authenticated. A job that was written by hand puts letters back into
the queue, where policies decide anew, or drops them, each with its record: no more than
can be done by hand to the letters themselves. It releases nothing.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database, begins
from keyrelay.model.audit import Change, ChangeRecord
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import Beginnings
from keyrelay.model.job import (
    Job,
    JobKind,
    JobOrder,
    JobRow,
    JobState,
    JobTimes,
    RowState,
)
from keyrelay.model.world import World
from keyrelay.stores.audit.log import Recording
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.jobs.rows import job_of, result_of, row_of
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.job_tables import job_results, jobs
from keyrelay.stores.unreadable import ONE, Slice, UnreadableRow, read_rows

NOUN = "job"
MOST_UNFINISHED = 20  # jobs of a profile, together
INSTALLATION = ""  # in place of a profile, in the record of a job that has none

JOBS, RESULTS = jobs.c, job_results.c
UNFINISHED = JOBS.state.in_(sorted(each for each in JobState if not each.is_over))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Up to `amount` that come after the one named; None, the first.

    Only of this kind and state, where they are given.
    """

    after: str | None = None
    amount: int = 20
    kind: JobKind | None = None
    state: JobState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """Up to `amount` results with a number above `after`, of one state or any."""

    after: int = 0
    amount: int = 100
    state: RowState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecords:
    """Jobs of a profile; of None, those of the whole installation.

    Each method raises Unavailable.
    """

    journal: Journal

    async def start(self, order: JobOrder) -> Job:
        """Keep a job, with its audit record, for the next process that is free.

        Raises InvalidDefinition if too many of the profile's are unfinished, and
        NotFound if there is no such profile.
        """
        async with self._recording(order.profile, order.actor) as recording:
            connection = recording.connection
            unfinished = select(func.count()).where(_of(order.profile), UNFINISHED)
            if (await connection.scalar(unfinished) or 0) >= MOST_UNFINISHED:
                raise InvalidDefinition(
                    f"{MOST_UNFINISHED} jobs are unfinished: wait, or cancel one"
                )
            now = self._world.now()
            job = Job(
                id=self._world.new_id(now),
                order=order,
                state=JobState.WAITING,
                times=JobTimes(created_at=now),
            )
            await connection.execute(insert(jobs).values(row_of(job)))
            recording.append(self._record(job, order.actor, Change.STARTED, now))
        return job

    async def cancel(self, profile: str | None, id_: str, actor: str) -> Job:
        """Have a job end after what it is doing this moment, or at once if it waits.

        One that is over stays as it is. Raises NotFound.
        """
        async with self._recording(profile, actor) as recording:
            connection = recording.connection
            job = await _read(connection, profile, id_)
            if job.state.is_over or job.state is JobState.CANCELLING:
                return job
            now = await time_at(self._database, connection, self._world)
            is_held = and_(JOBS.id == id_, JOBS.held_until > now)
            asked = update(jobs).where(is_held).values(state=JobState.CANCELLING)
            if (await connection.execute(asked)).rowcount == 0:
                ended = update(jobs).where(JOBS.id == id_)
                await connection.execute(
                    ended.values(
                        state=JobState.CANCELLED,
                        ended_at=now,
                        owner=None,
                        held_until=None,
                    )
                )
            recording.append(
                self._record(job, actor, Change.CANCELLED, self._world.now())
            )
            return await _read(connection, profile, id_)

    async def get(self, profile: str | None, id_: str) -> Job:
        """Raises NotFound."""
        async with self._database.reading() as connection:
            return await _read(connection, profile, id_)

    async def list(self, profile: str | None, page: JobPage) -> Sequence[Job]:
        """Return the jobs, newest first; one that cannot be read hides no others."""
        wanted = select(jobs).where(_of(profile))
        if page.after is not None:
            wanted = wanted.where(JOBS.id < page.after)
        if page.kind is not None:
            wanted = wanted.where(JOBS.kind == page.kind)
        if page.state is not None:
            wanted = wanted.where(JOBS.state == page.state)
        # Ids sort by the second in which they were made.
        ordered, rows = wanted.order_by(JOBS.id.desc()), Slice(0, page.amount)
        async with self._database.reading() as connection:
            found = await read_rows(connection, ordered, rows, job_of)
        return [each for each in found if isinstance(each, Job)]

    async def results(
        self, profile: str | None, id_: str, page: ResultPage
    ) -> Sequence[JobRow]:
        """Return what became of the job's rows, in their order. Raises NotFound."""
        wanted = select(job_results).where(
            RESULTS.job == id_, RESULTS.number > page.after
        )
        if page.state is not None:
            wanted = wanted.where(RESULTS.state == page.state)
        ordered, rows = wanted.order_by(RESULTS.number), Slice(0, page.amount)
        async with self._database.reading() as connection:
            await _read(connection, profile, id_)
            found = await read_rows(connection, ordered, rows, result_of)
        return [each for each in found if isinstance(each, JobRow)]

    async def beginning(self, profile: str | None, sought: Beginnings) -> Sequence[str]:
        """Return the ids of jobs that begin so, sorted."""
        begun = select(JOBS.id).where(_of(profile), begins(JOBS.id, sought.texts))
        wanted = begun.order_by(JOBS.id).limit(sought.most)
        async with self._database.reading() as connection:
            return [str(id_) for id_ in await connection.scalars(wanted)]

    @property
    def _database(self) -> Database:
        return self.journal.audit_log.database

    @property
    def _world(self) -> World:
        return self.journal.audit_log.world

    @asynccontextmanager
    async def _recording(
        self, profile: str | None, actor: str
    ) -> AsyncIterator[Recording]:
        if profile is None:
            async with self.journal.audit_log.recording() as recording:
                yield recording
            return
        async with self.journal.writing(profile, actor) as writing:
            yield writing.recording

    def _record(
        self, job: Job, actor: str, change: Change, at: datetime
    ) -> ChangeRecord:
        return ChangeRecord(
            id=self._world.new_id(at),
            actor=actor,
            profile=job.order.profile or INSTALLATION,
            subject=job.id,
            noun=NOUN,
            change=change,
            detail=described(job.order),
            at=at,
        )


def described(order: JobOrder) -> str:
    """Say what the job does: `redrive, fault definition, at most 5 a second`."""
    said = [order.kind, *(f"{name} {value}" for name, value in order.query.items())]
    if order.rate is not None:
        said.append(f"at most {order.rate:g} a second")
    return ", ".join(said)


def _of(profile: str | None) -> ColumnElement[bool]:
    return JOBS.profile.is_(None) if profile is None else JOBS.profile == profile


async def _read(connection: AsyncConnection, profile: str | None, id_: str) -> Job:
    wanted = select(jobs).where(_of(profile), JOBS.id == id_)
    for found in await read_rows(connection, wanted, ONE, job_of):
        if not isinstance(found, UnreadableRow):
            return found
    raise NotFound(NOUN, id_)
