"""Jobs: long work that was asked for, seen and cancelled."""

from keyrelay.api.described import (
    AMOUNT,
    COUNT,
    described,
    going_on,
    in_query,
    path_id,
)
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.app.jobs import jobs_of
from keyrelay.model.job import RowState
from keyrelay.services.jobs import Jobs, job_document, result_document
from keyrelay.stores.jobs.records import JobPage, ResultPage

_ID = path_id("The job's id.")
_JOB = {"type": "object"}


async def list_jobs(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, PAGING)
    page = JobPage(after=given.text("after"), amount=given.amount)
    found = await _jobs(asked).list(asked.caller.profile, page)
    goes_on = found[-1].id if len(found) == page.amount else None
    return Answer(result={"jobs": [*map(job_document, found)], "next": goes_on})


async def show_job(asked: Asked) -> Answer:
    found = await _jobs(asked).get(asked.caller.profile, asked.ids["id"])
    return Answer(result=job_document(found))


async def list_results(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*PAGING, "state"))
    state = given.choice("state", [*RowState])
    page = ResultPage(
        after=given.number("after", most=10**9) or 0,
        amount=given.amount,
        state=None if state is None else RowState(state),
    )
    found = await _jobs(asked).results(asked.caller.profile, asked.ids["id"], page)
    goes_on = found[-1].number if len(found) == page.amount else None
    return Answer(result={"results": [*map(result_document, found)], "next": goes_on})


async def cancel_job(asked: Asked) -> Answer:
    caller = asked.caller
    found = await _jobs(asked).cancel(caller.profile, asked.ids["id"], caller.actor)
    return Answer(result=job_document(found))


def _jobs(asked: Asked) -> Jobs:
    return jobs_of(asked.process.store)


ROUTES = (
    Route(
        method="GET",
        path="/jobs",
        right=Right.READ,
        answer=list_jobs,
        described=described(
            "List jobs, newest first",
            _JOB,
            parameters=going_on({}),
        ),
    ),
    Route(
        method="GET",
        path="/jobs/{id}",
        right=Right.READ,
        answer=show_job,
        described=described("Show a job", _JOB, parameters=[_ID]),
    ),
    Route(
        method="GET",
        path="/jobs/{id}/results",
        right=Right.READ,
        answer=list_results,
        described=described(
            "List what became of a job's rows",
            _JOB,
            parameters=[
                _ID,
                in_query("after", COUNT, "The last page's `next`."),
                AMOUNT,
                in_query("state", {"enum": [*RowState]}, "Only rows of this state."),
            ],
        ),
    ),
    Route(
        method="POST",
        path="/jobs/{id}/cancel",
        right=Right.WRITE,
        answer=cancel_job,
        described=described("End a job within a second", _JOB, parameters=[_ID]),
    ),
)
