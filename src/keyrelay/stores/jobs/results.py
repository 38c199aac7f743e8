"""Job results: what becomes of each row of a job, and which rows still wait.

The rows of a job are chosen when it begins, a part at a time: a process that is killed
between two parts is followed by one that chooses on. Each part, and each result, is
kept in one transaction with the proof that the job is ours still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    Insert,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import printable
from keyrelay.model.dead_letter import ChosenLetter
from keyrelay.model.job import JobRow, RowState
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.dead_letter_query import DeadLetterQuery, matching
from keyrelay.stores.jobs.leases import JobLease, JobLeases
from keyrelay.stores.schema.job_tables import job_results, jobs
from keyrelay.stores.schema.tables import dead_letters
from keyrelay.stores.unreadable import (
    AnyRow,
    Slice,
    Statement,
    UnreadableRow,
    read_rows,
)

KEPT = timedelta(days=7)  # how long a job and its results are seen after its end
CHOSEN_TOGETHER = 1000
FORGOTTEN_TOGETHER = 1000

_j, _r, _LETTERS = jobs.c, job_results.c, dead_letters.c
_KEEP = (
    update(job_results)
    .where(_r.job == bindparam("of_job"), _r.number == bindparam("of_number"))
    .values(state=bindparam("new_state"), reason=bindparam("why"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResults:
    """Each method raises Unavailable."""

    leases: JobLeases

    async def choose(self, lease: JobLease, query: DeadLetterQuery) -> bool:
        """Add the next of the matching letters as waiting rows; True, all are there.

        Raises JobLost.
        """
        id_ = lease.job.id
        async with self.leases.database.transaction() as connection:
            await lease.write(connection, await self.leases.renewed(connection))
            if await connection.scalar(select(_j.chosen).where(_j.id == id_)):
                return True
            before = await _highest(connection, id_)
            profile = lease.job.order.profile or ""
            part = _part(profile, query, id_, before)
            await connection.execute(_added(part, id_, before))
            total = await _highest(connection, id_)
            are_all = total - before < CHOSEN_TOGETHER
            await lease.write(connection, {"total": total, "chosen": are_all})
        return are_all

    async def waiting(self, lease: JobLease, most: int) -> Mapping[int, ChosenLetter]:
        """Return the first rows that have no result yet, by their number."""
        wanted = select(_r.number, _r.subject, _r.buried_at).where(
            _r.job == lease.job.id, _r.state == RowState.WAITING
        )
        async with self.leases.database.reading() as connection:
            found = await read_rows(
                connection, wanted.order_by(_r.number), Slice(0, most), _chosen
            )
        return dict(map(_numbered, found))

    async def keep(
        self,
        connection: AsyncConnection,
        lease: JobLease,
        refusals: Mapping[int, str | None],
    ) -> None:
        """Keep what became of rows, by their number; None, they are done.

        In the transaction in which it became so. Raises JobLost.
        """
        refused = sum(refusal is not None for refusal in refusals.values())
        renewed = await self.leases.renewed(connection)
        counts = {
            "done": _j.done + len(refusals) - refused,
            "refused": _j.refused + refused,
            "taken": 0,
        }
        await lease.write(connection, {**renewed, **counts})
        rows = [
            {
                "of_job": lease.job.id,
                "of_number": number,
                "new_state": RowState.REFUSED if refusal else RowState.DONE,
                "why": refusal and printable(refusal),
            }
            for number, refusal in refusals.items()
        ]
        await connection.execute(_KEEP, rows)

    async def replace(self, lease: JobLease, rows: Sequence[JobRow]) -> None:
        """Keep these in place of all results of the job. Raises JobLost."""
        async with self.leases.database.transaction() as connection:
            await lease.write(connection, await self.leases.renewed(connection))
            await connection.execute(delete(job_results).where(_r.job == lease.job.id))
            kept = [
                {
                    "job": lease.job.id,
                    "number": row.number,
                    "subject": printable(row.subject, 64),
                    "state": row.state,
                    "reason": row.reason and printable(row.reason),
                }
                for row in rows
            ]
            if kept:
                await connection.execute(insert(job_results), kept)

    async def forget(self) -> bool:
        """Forget a part of what ended long ago; return whether there was any."""
        leases = self.leases
        async with leases.database.writing() as connection:
            now = await time_at(leases.database, connection, leases.world)
            old = select(_j.id).where(_j.ended_at < now - KEPT).order_by(_j.ended_at)
            id_ = await connection.scalar(old.limit(1))
            if id_ is None:
                return False
            lowest = select(func.min(_r.number)).where(_r.job == id_)
            first = await connection.scalar(lowest)
            if first is None:
                await connection.execute(delete(jobs).where(_j.id == id_))
                return True
            part = _r.number < first + FORGOTTEN_TOGETHER
            await connection.execute(delete(job_results).where(_r.job == id_, part))
            return True


def _part(profile: str, query: DeadLetterQuery, job: str, before: int) -> Statement:
    """Return the statement for the next part of the letters, the newest first."""
    letters = select(_LETTERS.trigger, _LETTERS.buried_at)
    wanted = matching(letters, profile, query)
    if before:
        last = select(job_results).where(_r.job == job, _r.number == before).subquery()
        buried_at = select(last.c.buried_at).scalar_subquery()
        trigger = select(last.c.subject).scalar_subquery()
        wanted = wanted.where(
            _LETTERS.buried_at <= buried_at,
            or_(_LETTERS.buried_at < buried_at, _LETTERS.trigger > trigger),
        )
    return wanted.limit(CHOSEN_TOGETHER)


def _added(part: Statement, job: str, before: int) -> Insert:
    """Return the statement that adds that part of the letters after those before."""
    letters = part.subquery().c
    newest_first = (letters.buried_at.desc(), letters.trigger)
    number = literal(before) + func.row_number().over(order_by=newest_first)
    rows = select(
        literal(job),
        number,
        letters.trigger,
        letters.buried_at,
        literal(RowState.WAITING),
    )
    columns = [_r.job, _r.number, _r.subject, _r.buried_at, _r.state]
    return insert(job_results).from_select(columns, rows)


async def _highest(connection: AsyncConnection, job: str) -> int:
    highest = select(func.max(_r.number)).where(_r.job == job)
    return await connection.scalar(highest) or 0


def _chosen(row: AnyRow) -> tuple[int, ChosenLetter]:
    if not isinstance(row.subject, str):
        raise TypeError("this is no row of a job")
    return row.number, ChosenLetter(trigger=row.subject, buried_at=row.buried_at)


def _numbered(
    row: tuple[int, ChosenLetter] | UnreadableRow,
) -> tuple[int, ChosenLetter]:
    """Return the row; one that cannot be read names no letter that there is."""
    if isinstance(row, UnreadableRow):
        return int(row.text("number")), ChosenLetter(trigger=row.text("subject"))
    return row
