"""Jobs: long work, started, seen and cancelled; job_runner.py does it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import wire_date
from keyrelay.model.job import Job, JobKind, JobOrder, JobRow, JobState
from keyrelay.model.outcome import Fault
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.jobs.records import JobPage, JobRecords, ResultPage

_PAGE = 100
_ANY = dict.fromkeys(("action", "fault", "reason", "since", "triggers"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterWork:
    """Which letters, and how many a second at most; None, as many as can be."""

    query: DeadLetterQuery
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Jobs of a profile; of None, those of the whole installation.

    Each method raises Unavailable.
    """

    records: JobRecords

    async def start(
        self,
        kind: JobKind,
        profile: str | None,
        actor: str,
        work: LetterWork | None = None,
    ) -> Job:
        """Keep a job for the next process that is free, and return it.

        Raises InvalidDefinition for an order that makes no sense, or if too many of
        the profile's are unfinished.
        """
        order = JobOrder(
            kind=kind,
            profile=profile,
            actor=actor,
            query={} if work is None else query_document(work.query),
            rate=None if work is None else work.rate,
        )
        return await self.records.start(order)

    async def cancel(self, profile: str | None, id_: str, actor: str) -> Job:
        """Have a job end within a second; one that is over stays. Raises NotFound."""
        return await self.records.cancel(profile, id_, actor)

    async def get(self, profile: str | None, id_: str) -> Job:
        """Raises NotFound."""
        return await self.records.get(profile, id_)

    async def list(self, profile: str | None, page: JobPage) -> Sequence[Job]:
        """Return a page of the jobs, newest first."""
        return await self.records.list(profile, page)

    async def newest(
        self, profile: str | None, kind: JobKind, state: JobState | None = None
    ) -> Job | None:
        """Return the newest of this kind, in that state if one is given."""
        page = JobPage(amount=1, kind=kind, state=state)
        found = await self.list(profile, page)
        return found[0] if found else None

    async def read(
        self, profile: str | None, limit: int | None = None
    ) -> AsyncIterator[Job]:
        """Yield the jobs, newest first, and at most `limit` of them."""
        after, left = None, limit
        while left is None or left > 0:
            amount = _PAGE if left is None else min(left, _PAGE)
            page = await self.list(profile, JobPage(after=after, amount=amount))
            for job in page:
                yield job
            if len(page) < amount:
                return
            after = page[-1].id
            left = None if left is None else left - amount

    async def results(
        self, profile: str | None, id_: str, page: ResultPage
    ) -> Sequence[JobRow]:
        """Return what became of the job's rows, in their order. Raises NotFound."""
        return await self.records.results(profile, id_, page)


def job_document(job: Job) -> Mapping[str, object]:
    """Return the job for JSON, as every face shows it."""
    order, times, progress = job.order, job.times, job.progress
    return {
        "id": job.id,
        "kind": order.kind,
        "state": job.state,
        "query": dict(order.query),
        "rate": order.rate,
        "actor": order.actor,
        "total": progress.total,
        "done": progress.done,
        "refused": progress.refused,
        "sound": progress.sound,
        "message": progress.message,
        "created_at": wire_date(times.created_at),
        "started_at": wire_date(times.started_at),
        "ended_at": wire_date(times.ended_at),
    }


def result_document(row: JobRow) -> Mapping[str, object]:
    return {
        "number": row.number,
        "subject": row.subject,
        "state": row.state,
        "reason": row.reason,
    }


def query_document(query: DeadLetterQuery) -> Mapping[str, object]:
    """Return what says in JSON which letters are meant."""
    said = {
        "action": query.action,
        "fault": query.fault,
        "reason": query.reason,
        "since": query.since and query.since.isoformat(),
        "triggers": query.triggers and [*query.triggers],
    }
    return {name: value for name, value in said.items() if value is not None}


def parse_query(document: Mapping[str, object]) -> DeadLetterQuery:
    """Read what `query_document` wrote. Raises InvalidDefinition for anything else."""
    match {**_ANY, **document}:
        case {
            "action": str() | None as action,
            "fault": str() | None as fault,
            "reason": str() | None as reason,
            "since": str() | None as since,
            "triggers": list() | None as triggers,
            **rest,
        } if not rest and all(isinstance(each, str) for each in triggers or ()):
            pass
        case _:
            raise InvalidDefinition("the job's query is not what was written")
    return DeadLetterQuery(
        action=action,
        fault=None if fault is None else Fault(fault),
        reason=reason,
        since=None if since is None else datetime.fromisoformat(since),
        triggers=None if triggers is None else tuple(map(str, triggers)),
    )
