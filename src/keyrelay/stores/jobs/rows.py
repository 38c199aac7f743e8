"""Job rows: between jobs and their rows in the database."""

import json

from keyrelay.model.audit_document import printable
from keyrelay.model.documents import parse_document
from keyrelay.model.job import (
    Job,
    JobKind,
    JobOrder,
    JobProgress,
    JobRow,
    JobState,
    JobTimes,
    RowState,
)
from keyrelay.stores.unreadable import AnyRow


def row_of(job: Job) -> dict[str, object]:
    """Return the row of a job that has not begun."""
    order, progress = job.order, job.progress
    return {
        "id": job.id,
        "profile": order.profile,
        "kind": order.kind,
        "state": job.state,
        "query": json.dumps(order.query),
        "rate": order.rate,
        "actor": printable(order.actor),
        "created_at": job.times.created_at,
        "total": progress.total,
        "done": progress.done,
        "refused": progress.refused,
        "message": progress.message,
        "chosen": False,
        "taken": 0,
    }


def job_of(row: AnyRow) -> Job:
    """Return the job. Raises ValueError or TypeError for what is not as written."""
    match row.id, row.actor, row.message, row.total, row.done, row.refused:
        case str(), str(), str(), int(), int(), int():
            pass
        case _:
            raise TypeError("this is no job")
    return Job(
        id=row.id,
        order=JobOrder(
            kind=JobKind(row.kind),
            profile=row.profile,
            actor=row.actor,
            query=parse_document(str(row.query)),
            rate=row.rate,
        ),
        state=JobState(row.state),
        times=JobTimes(
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        ),
        progress=JobProgress(
            total=row.total,
            done=row.done,
            refused=row.refused,
            sound=row.sound,
            message=row.message,
        ),
    )


def result_of(row: AnyRow) -> JobRow:
    """Return the result. Raises ValueError or TypeError as `job_of`."""
    if not isinstance(row.subject, str):
        raise TypeError("this is no result")
    return JobRow(
        number=row.number,
        subject=row.subject,
        state=RowState(row.state),
        reason=row.reason,
    )
