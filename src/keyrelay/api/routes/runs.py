"""Runs: analyses run on request, and what became of their runs."""

from functools import partial

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
from keyrelay.api.failures import NotNow
from keyrelay.api.parameters import PAGING, parse_parameters
from keyrelay.api.rights import Right, has
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.api.routes.consoles import scrubbed_for
from keyrelay.app.runs import run_records, run_requests, run_tokens
from keyrelay.model.documents import refuse_unknown
from keyrelay.model.policy.kinds import ACCESS, ANALYSIS, RUN
from keyrelay.model.run import RunState, parse_scope
from keyrelay.model.run_confirmation import parse_confirmation
from keyrelay.model.token import prefix_of
from keyrelay.services.run_confirming import RunConfirming, refusal_of
from keyrelay.services.run_documents import confirmed, run_document
from keyrelay.stores.runs.records import RunPage

_LARGEST = 16 * 1024  # bytes of a confirmation
_BEFORE = "it was confirmed before, and what was said then stays"
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
    result = {"analysis_token": shown, "run": order.id}
    return Answer(result=result, message=await requests.remark(order))


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


async def confirm(asked: Asked) -> Answer:
    """Keep what the script of an external run says of its end.

    It is the script's own word: nothing is settled by it, and nothing is recorded. What
    was said first stays, so that it can be said again when an answer was lost.
    """
    store, caller = asked.process.store, asked.caller
    now = store.audit_log.world.now()
    scrub = partial(scrubbed_for, asked, caller.token.rights.analysis or "")
    confirming = RunConfirming(runs=run_records(store), scrub=scrub)
    run = await confirming.run(caller.token, asked.ids["id"])
    said = parse_confirmation(await asked.body.document(_LARGEST), now)
    if (refusal := refusal_of(run, now)) is not None:
        raise NotNow(refusal)
    before = None if run.confirmed is None else _BEFORE
    kept = await confirming.confirm(run, said)
    return Answer(result=confirmed(kept), message=before)


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
    Route(
        method="POST",
        path="/analysis/runs/{id}/done",
        right=Right.SERVICES,
        answer=confirm,
        described=described(
            "Say how the script of an external run has ended",
            named("RunConfirmed"),
            parameters=[path_id("The id of the run.")],
            body=named("RunConfirmation"),
        ),
    ),
)
