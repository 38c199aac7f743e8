"""Runs: analyses run on request, and what became of their runs."""

from keyrelay.api.described import (
    TEXT,
    described,
    going_on,
    in_path,
    in_query,
    named,
    object_of,
    path_id,
)
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right, has
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.app.runs import run_requests, run_tokens
from keyrelay.model.documents import refuse_unknown
from keyrelay.model.policy.kinds import ACCESS, ANALYSIS, RUN
from keyrelay.model.run import RunState, parse_scope
from keyrelay.model.token import prefix_of
from keyrelay.services.run_documents import run_document
from keyrelay.stores.runs.records import RunPage

_ID = path_id("The id of the analysis.")


async def run(asked: Asked) -> Answer:
    """Keep a run; answer its own token: whole, or how it begins."""
    body = await asked.body.document()
    refuse_unknown(body, ("scope",), "what is run")
    scope = parse_scope(body.get("scope"))
    caller, store = asked.caller, asked.process.store
    requests = run_requests(store)
    order = await requests.ask(caller.profile, asked.ids["id"], scope, caller.actor)
    token = (await run_tokens(store).token(order)).reveal()
    shown = token if has(caller.token.rights, Right.FULL) else prefix_of(token)
    return Answer(result={"analysis_token": shown, "run": order.id})


async def list_runs(asked: Asked) -> Answer:
    given = parse_parameters(asked.query, (*PAGING, "state"))
    state = given.choice("state", [*RunState])
    page = RunPage(
        before=given.text("after"),
        amount=given.amount,
        state=None if state is None else RunState(state),
    )
    requests, profile = run_requests(asked.process.store), asked.caller.profile
    found = await requests.list(profile, asked.ids["id"], page)
    goes_on = found[-1].order.id if len(found) == page.amount else None
    return Answer(result={"runs": [*map(run_document, found)], "next": goes_on})


async def show_run(asked: Asked) -> Answer:
    requests, profile = run_requests(asked.process.store), asked.caller.profile
    found = await requests.get(profile, asked.ids["id"], asked.ids["run"])
    return Answer(result=run_document(found))


ROUTES = (
    Route(
        method="POST",
        path="/analysis/{id}/run",
        right=Right.WRITE,
        answer=run,
        governed=governed(ANALYSIS, RUN),
        described=described(
            "Run an analysis once, with the scope that its script is given",
            object_of({"analysis_token": TEXT, "run": TEXT}, "analysis_token", "run"),
            parameters=[_ID],
            body=named("RunScope"),
        ),
    ),
    Route(
        method="GET",
        path="/analysis/{id}/runs",
        right=Right.READ,
        answer=list_runs,
        governed=governed(ANALYSIS, ACCESS),
        described=described(
            "List the runs of an analysis, newest first",
            named("Runs"),
            parameters=[
                _ID,
                *going_on({}),
                in_query("state", {"enum": [*RunState]}, "Only runs in this state."),
            ],
        ),
    ),
    Route(
        method="GET",
        path="/analysis/{id}/runs/{run}",
        right=Right.READ,
        answer=show_run,
        governed=governed(ANALYSIS, ACCESS),
        described=described(
            "Show a run",
            named("Run"),
            parameters=[_ID, in_path("run", TEXT, "The id of the run.")],
        ),
    ),
)
