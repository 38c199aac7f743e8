"""Audit: the records of a profile, newest first, and the proof that none is gone."""

from keyrelay.api.described import (
    AMOUNT,
    COUNT,
    described,
    going_on,
    in_query,
    path_id,
)
from keyrelay.api.failures import BadRequest
from keyrelay.api.parameters import PAGING, Parameters, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Bearer, Route
from keyrelay.app.jobs import jobs_of
from keyrelay.model.audit_document import RECORD_KINDS
from keyrelay.model.cursor import parse_cursor
from keyrelay.model.job import JobKind
from keyrelay.model.token import TokenKind
from keyrelay.services.audit import going_on_after
from keyrelay.services.jobs import job_document, result_document
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.jobs.records import ResultPage

_FILTERS = {
    "kind": "attempt, change or release.",
    "trigger": "Only those of this trigger.",
    "action": "Only those of this action, by id.",
    "analysis": "Only those of runs of this analysis, by id.",
    "since": "Only those of then or later (RFC 3339).",
}
_OBJECT = {"type": "object"}


async def list_records(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*_FILTERS, *PAGING))
    after = given.text("after")
    query = AuditQuery(
        kind=given.choice("kind", RECORD_KINDS),
        trigger=given.text("trigger"),
        action=_acting(given),
        since=given.instant("since"),
        after=None if after is None else parse_cursor(after),
        amount=given.amount,
    )
    found = await asked.process.store.trail.list(asked.caller.profile, query)
    place = going_on_after(found, query.amount)
    records = [{"id": entry.id, **entry.document} for entry in found]
    goes_on = None if place is None else str(place)
    return Answer(result={"records": records, "next": goes_on})


def _acting(given: Parameters) -> str | None:
    action, analysis = given.text("action"), given.text("analysis")
    if action is not None and analysis is not None:
        raise BadRequest("give action or analysis: no record is of both")
    return analysis if action is None else action


async def show_record(asked: Asked) -> Answer:
    trail = asked.process.store.trail
    entry = await trail.get(asked.caller.profile, asked.ids["id"])
    place = {"chain": entry.chain, "seq": entry.seq}
    return Answer(result={"id": entry.id, **place, "record": entry.document})


async def verify(asked: Asked) -> Answer:
    """Start a job: a profile's learns of its own records, an operator's of all."""
    jobs, caller = jobs_of(asked.process.store), asked.caller
    job = await jobs.start(JobKind.VERIFY, _verified_by(caller), caller.actor)
    return Answer(result=job_document(job), status=202)


async def show_verification(asked: Asked) -> Answer:
    """Answer the newest verification that the caller's kind of token can start."""
    given = parse_parameters(asked.query, PAGING)
    after, amount = given.number("after", most=10**9) or 0, given.amount
    jobs, profile = jobs_of(asked.process.store), _verified_by(asked.caller)
    job = await jobs.newest(profile, JobKind.VERIFY)
    if job is None:
        return Answer(result={"verification": None, "findings": [], "next": None})
    page = ResultPage(after=after, amount=amount)
    found = await jobs.results(profile, job.id, page)
    return Answer(
        result={
            "verification": job_document(job),
            "findings": [*map(result_document, found)],
            "next": found[-1].number if len(found) == amount else None,
        }
    )


def _verified_by(caller: Bearer) -> str | None:
    """Return the profile that is told of its own; None, an operator is told of all."""
    is_operator = caller.token.rights.kind is TokenKind.OPERATOR
    return None if is_operator else caller.profile


ROUTES = (
    Route(
        method="GET",
        path="/audit",
        right=Right.READ,
        answer=list_records,
        described=described(
            "List audit records, newest first",
            _OBJECT,
            parameters=going_on(_FILTERS),
        ),
    ),
    # Before the one of a record, whose id its last part would be.
    Route(
        method="GET",
        path="/audit/verify",
        right=Right.FINDINGS,
        answer=show_verification,
        described=described(
            "Show the newest verification of the audit trail",
            _OBJECT,
            parameters=[
                in_query("after", COUNT, "The last page's `next`."),
                AMOUNT,
            ],
        ),
    ),
    Route(
        method="GET",
        path="/audit/{id}",
        right=Right.READ,
        answer=show_record,
        described=described(
            "Show an audit record and its place in the chain",
            _OBJECT,
            parameters=[path_id("The record's id.")],
        ),
    ),
    Route(
        method="POST",
        path="/audit/verify",
        right=Right.VERIFY,
        answer=verify,
        described=described("Verify the audit trail, as a job", _OBJECT, status="202"),
    ),
)
