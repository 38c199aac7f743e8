"""Overview: what happens, what needs someone, and the first steps."""

from starlette.responses import HTMLResponse, JSONResponse, Response

from keyrelay.api.failures import FORESEEN
from keyrelay.console import charts
from keyrelay.console.frame import now_of
from keyrelay.console.own_api import ApiQuestion
from keyrelay.console.refusing import page_after
from keyrelay.console.rendering import render
from keyrelay.console.state_of_things import (
    at_a_glance,
    begun,
    expiring,
    installation,
    remarked,
)
from keyrelay.console.visit import Moved, PageRoute, ScriptRoute, Shown, Visit

_LATEST = "10"  # attempts
_TEST = {"variable": "test", "value": 1}


async def show(visit: Visit) -> Shown:
    return await _overview(visit)


async def send_test(visit: Visit) -> Shown | Moved:
    """Publish a trigger for the action that was chosen, to see it act."""
    document = {"action": visit.form.text("action"), "data": _TEST}
    question = ApiQuestion(document=document)
    try:
        published = await visit.api.ask("POST", "/triggers", question)
    except FORESEEN as failure:
        return await _overview(visit, failure)
    assert isinstance(published.result, list)
    return Moved(path=f"/triggers/{published.result[0]['id']}", said="published")


async def tell_tiles(visit: Visit) -> Response:
    return HTMLResponse(render("overview/tiles.html", await at_a_glance(visit)))


async def tell_outcomes(visit: Visit) -> Response:
    return JSONResponse(await charts.outcomes(visit.api, now_of(visit.api)))


async def tell_durations(visit: Visit) -> Response:
    return JSONResponse(await charts.durations(visit.api, now_of(visit.api)))


async def _overview(visit: Visit, failure: Exception | None = None) -> Shown:
    api = visit.api
    glance = await at_a_glance(visit)
    latest = ApiQuestion(query=[("details", "true"), ("amount", _LATEST)])
    facts = {
        **glance,
        "expiring": await expiring(api, now_of(api)),
        "remarked": await remarked(api),
        "begun": await begun(api),
        "actions": await _actions(visit),
        "attempts": (await api.result("/attempts", latest))["attempts"],
        "operator": visit.signed_in.operator,
        "installation": await installation(visit),
    }
    return page_after(failure, "overview.html", facts)


async def _actions(visit: Visit) -> list[tuple[str, str]]:
    query = [("fields", "id"), ("fields", "name"), ("amount", "200")]
    listed = await visit.api.results("/action", ApiQuestion(query=query))
    return [(str(each["id"]), str(each.get("name"))) for each in listed]


PAGES: tuple[PageRoute | ScriptRoute, ...] = (
    PageRoute(method="GET", path="/", answer=show),
    PageRoute(method="POST", path="/overview/test", answer=send_test),
    ScriptRoute(path="/overview/tiles", answer=tell_tiles),
    ScriptRoute(path="/charts/outcomes", answer=tell_outcomes),
    ScriptRoute(path="/charts/durations", answer=tell_durations),
)
