"""Jobs: long work that was asked for, how far it is, and what became of each row."""

import json
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp

from keyrelay.console.listing import CursorList
from keyrelay.console.own_api import ApiQuestion
from keyrelay.console.visit import Moved, PageRoute, ScriptRoute, Shown, Visit
from keyrelay.model.job import JobKind, RowState

_TOGETHER = "1000"  # results that are read at once
_ROWS = (RowState.WAITING, RowState.DONE, RowState.REFUSED)
_FINDINGS = (RowState.BROKEN,)
_LIST = CursorList(path="/jobs", name="jobs", filters=())


async def show_list(visit: Visit) -> Shown:
    facts = {"page": await _LIST.page(visit)}
    return Shown(template="jobs/list.html", facts=facts)


async def show_one(visit: Visit) -> Shown:
    job = await visit.api.result("/jobs/{id}", visit.of_id())
    state, after = visit.query.text("state"), visit.query.text("after")
    asked = [("amount", "50"), ("state", state), ("after", after)]
    question = ApiQuestion(ids=visit.ids, query=[each for each in asked if each[1]])
    results = await visit.api.result("/jobs/{id}/results", question)
    facts = {
        "job": job,
        "results": results["results"],
        "next": results["next"],
        "state": state,
        "states": _FINDINGS if job["kind"] == JobKind.VERIFY else _ROWS,
    }
    return Shown(template="jobs/one.html", facts=facts)


async def download(visit: Visit) -> ASGIApp:
    """Return all results, each as a line of JSON."""
    job = await visit.api.result("/jobs/{id}", visit.of_id())
    name = f"{job['kind']}-{job['id']}.jsonl"
    return StreamingResponse(
        _lines(visit),
        media_type="application/jsonl",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(visit: Visit) -> AsyncIterator[str]:
    after: object = ""
    while after is not None:
        paged = {"after": str(after)} if after else {}
        question = visit.of_id(amount=_TOGETHER, **paged)
        page = await visit.api.result("/jobs/{id}/results", question)
        results, after = page["results"], page["next"]
        assert isinstance(results, list)
        yield "".join(f"{json.dumps(row)}\n" for row in results)


async def cancel(visit: Visit) -> Moved:
    await visit.api.ask("POST", "/jobs/{id}/cancel", visit.of_id())
    return Moved(path=f"/jobs/{visit.id}", said="cancelled")


PAGES = (
    PageRoute(method="GET", path="/jobs", answer=show_list),
    PageRoute(method="GET", path="/jobs/{id}", answer=show_one),
    PageRoute(method="POST", path="/jobs/{id}/cancel", answer=cancel),
)

ROUTES = (ScriptRoute(path="/jobs/{id}/results.jsonl", answer=download),)
