"""Job leases: each job is lent to one process at a time, and found again after a kill.

A process that holds a job renews its lease while it lives. Whatever it writes about the
job is kept only while the lease is its own, in the same transaction: one that was
paused until its lease ended, and another process had taken the job, writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.job import Job, JobKind, JobState
from keyrelay.model.world import World
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.jobs.rows import job_of
from keyrelay.stores.schema.job_tables import jobs
from keyrelay.stores.unreadable import ONE, read_rows

LEASE = timedelta(seconds=15)
MOST_TAKEN = 10  # times without a result: it ends whatever runs it

_j, _other = jobs.c, jobs.alias("other").c
_STATES = [JobState.CANCELLING, JobState.RUNNING]
_UNDER_WAY = _j.state.in_(_STATES)

Columns = Mapping[str, object]

_GIVEN_BACK: Columns = {
    "state": JobState.WAITING,
    "owner": None,
    "held_until": None,
    "taken": 0,
}


class JobLost(Exception):
    """The lease has ended, and the job is another process's, or over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLease:
    """A job on loan; `owner` is new each time that it is taken."""

    job: Job
    owner: str

    @property
    def is_ours(self) -> ColumnElement[bool]:
        return and_(_j.id == self.job.id, _j.owner == self.owner, _UNDER_WAY)

    async def write(self, connection: AsyncConnection, columns: Columns) -> None:
        """Change the job's row, and keep others from taking it. Raises JobLost."""
        written = update(jobs).where(self.is_ours).values(dict(columns))
        if (await connection.execute(written)).rowcount == 0:
            raise JobLost


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLeases:
    """Each method raises Unavailable."""

    database: Database
    world: World
    length: timedelta = LEASE

    async def take(self) -> JobLease | None:
        """Lend the oldest job that waits, or whose process ended; None, there is none.

        A profile has one job of each kind under way, and there is one verification:
        it keeps a processor busy.
        """
        async with self.database.reading() as connection:
            if await self._next(connection) is None:
                return None
        async with self.database.writing() as connection:
            while (found := await self._next(connection)) is not None:
                if found.job is not None:
                    return await self._lend(connection, found.job)
                now = await time_at(self.database, connection, self.world)
                ended = update(jobs).where(_j.id == found.id)
                await connection.execute(ended.values({**over(now), **found.ending}))
        return None

    async def renew(self, lease: JobLease) -> None:
        """Hold the job for another lease. Raises JobLost."""
        async with self.database.transaction() as connection:
            await lease.write(connection, await self.renewed(connection))

    async def renewed(self, connection: AsyncConnection) -> Columns:
        """Return what renews a lease that is written with something else."""
        now = await time_at(self.database, connection, self.world)
        return {"held_until": now + self.length}

    async def is_to_go_on(self, lease: JobLease) -> bool:
        """Tell whether the job is ours still, and not to be cancelled."""
        async with self.database.reading() as connection:
            ours = select(_j.state).where(lease.is_ours)
            return await connection.scalar(ours) == JobState.RUNNING

    async def end(self, lease: JobLease, ending: Columns) -> None:
        """End the job, with its state, and what its progress says. Raises JobLost."""
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            await lease.write(connection, {**over(now), **ending})

    async def give_back(self, lease: JobLease) -> None:
        """Let another process go on with it at once, or end it if it is cancelled.

        Nothing is done if it is lost.
        """
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            for state, written in (
                (JobState.CANCELLING, {**over(now), "state": JobState.CANCELLED}),
                (JobState.RUNNING, _GIVEN_BACK),
            ):
                ours = update(jobs).where(lease.is_ours, _j.state == state)
                await connection.execute(ours.values(written))

    async def _next(self, connection: AsyncConnection) -> "_NextJob | None":
        now = await time_at(self.database, connection, self.world)
        wanted = select(_j.id, _j.state, _j.taken).where(_is_free(now))
        row = (await connection.execute(wanted.order_by(_j.id).limit(1))).one_or_none()
        if row is None:
            return None
        if row.state == JobState.CANCELLING:
            return _NextJob(id=row.id, ending={"state": JobState.CANCELLED})
        if row.taken >= MOST_TAKEN:
            what = f"given up: {MOST_TAKEN} processes ended while they ran it"
            return _NextJob(id=row.id, ending=_failed(what))
        whole = select(jobs).where(_j.id == row.id)
        for job in await read_rows(connection, whole, ONE, job_of):
            if isinstance(job, Job):
                return _NextJob(id=row.id, job=job)
        return _NextJob(id=row.id, ending=_failed("its row is not what was written"))

    async def _lend(self, connection: AsyncConnection, job: Job) -> JobLease:
        now = await time_at(self.database, connection, self.world)
        owner = self.world.new_id(self.world.now())
        lent = {
            "state": JobState.RUNNING,
            "owner": owner,
            "held_until": now + self.length,
            "started_at": job.times.started_at or now,
            "taken": _j.taken + 1,
        }
        await connection.execute(update(jobs).where(_j.id == job.id).values(lent))
        return JobLease(job=replace(job, state=JobState.RUNNING), owner=owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NextJob:
    """The next job; without one, how that row is to be ended."""

    id: str
    job: Job | None = None
    ending: Columns = field(default_factory=dict)


def over(now: datetime) -> Columns:
    """Return what is written of a job that ends, beside its state."""
    return {"ended_at": now, "owner": None, "held_until": None}


def _failed(why: str) -> Columns:
    return {"state": JobState.FAILED, "message": why}


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Tell whether a job waits or was abandoned, and none like it is under way."""
    in_the_way = and_(
        _other.id != _j.id,
        _other.state.in_(_STATES),
        _other.held_until >= now,
        _other.kind == _j.kind,
        or_(_other.kind == JobKind.VERIFY, _other.profile == _j.profile),
    )
    abandoned = and_(_UNDER_WAY, func.coalesce(_j.held_until < now, True))
    is_free = or_(_j.state == JobState.WAITING, abandoned)
    return and_(is_free, ~select(_other.id).where(in_the_way).exists())
