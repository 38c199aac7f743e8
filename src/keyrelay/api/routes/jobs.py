"""Jobs: long work that was asked for, seen and cancelled."""

from keyrelay.api.described import COUNT, TEXT, described, in_query, path_id
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.app.jobs import jobs_of
from keyrelay.model.job import RowState
from keyrelay.services.jobs import Jobs, job_document, result_document
from keyrelay.stores.jobs.records import JobPage, ResultPage

_MOST_LISTED, _LISTED = 1000, 20
_ID = path_id("The job's id.")
_AMOUNT = in_query("amount", COUNT, f"How many, up to {_MOST_LISTED}.")
_JOB = {"type": "object"}


async def list_jobs(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, ("after", "amount"))
    amount = given.number("amount", most=_MOST_LISTED) or _LISTED
    page = JobPage(after=given.text("after"), amount=amount)
    found = await _jobs(asked).list(asked.caller.profile, page)
    goes_on = found[-1].id if len(found) == amount else None
    return Answer(result={"jobs": [*map(job_document, found)], "next": goes_on})


async def show_job(asked: Asked) -> Answer:
    found = await _jobs(asked).get(asked.caller.profile, asked.ids["id"])
    return Answer(result=job_document(found))


async def list_results(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, ("after", "amount", "state"))
    state = given.choice("state", [*RowState])
    amount = given.number("amount", most=_MOST_LISTED) or _LISTED
    page = ResultPage(
        after=given.number("after", most=10**9) or 0,
        amount=amount,
        state=None if state is None else RowState(state),
    )
    found = await _jobs(asked).results(asked.caller.profile, asked.ids["id"], page)
    goes_on = found[-1].number if len(found) == amount else None
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
            parameters=[in_query("after", TEXT, "The last page's `next`."), _AMOUNT],
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
                _AMOUNT,
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
