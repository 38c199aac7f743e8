"""Dead letters: what was given up; redriven or dropped, one, or all that match."""

from functools import partial

from keyrelay.api.failures import FORESEEN, BadRequest, sentence_of, status_of
from keyrelay.console.given import Given
from keyrelay.console.listing import CursorList
from keyrelay.console.names import names_of
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.outcome import Fault

_FILTERS = ("action", "fault", "since")
_LIST = CursorList(path="/dead-letters", name="dead_letters", filters=_FILTERS)
_ACTS = ("redrive", "drop")


async def show_list(visit: Visit) -> Shown:
    facts = {
        "page": await _LIST.page(visit),
        "names": names_of(visit),
        "faults": [*Fault],
    }
    return Shown(template="dead_letters/list.html", facts=facts)


async def show_one(visit: Visit) -> Shown:
    return await _one(visit)


async def redrive(visit: Visit) -> Shown | Moved:
    try:
        await visit.api.ask("POST", "/dead-letters/{id}/redrive", visit.of_id())
    except FORESEEN as failure:
        return await _one(visit, failure)
    return Moved(path=f"/triggers/{visit.id}", said="redriven")


async def drop(visit: Visit) -> Shown | Moved:
    try:
        await visit.api.ask("DELETE", "/dead-letters/{id}", visit.of_id())
    except FORESEEN as failure:
        return await _one(visit, failure)
    return Moved(path="/dead-letters", said="dropped")


async def confirm_all(act: str, visit: Visit) -> Shown:
    """Show what a job over all that match would do, before it is begun."""
    given = _choice(visit.query)
    narrowed = [(name, str(value)) for name, value in given.items()]
    question = ApiQuestion(query=[*narrowed, ("amount", "1000")])
    answered = await visit.api.result("/dead-letters", question)
    letters = answered["dead_letters"]
    assert isinstance(letters, list)
    facts = {
        "act": act,
        "given": given,
        "count": len(letters),
        "is_more": answered["next"] is not None,
        "actions": sorted({each["action"] for each in letters}),
        "names": names_of(visit),
    }
    return Shown(template="dead_letters/all.html", facts=facts)


async def begin_all(act: str, visit: Visit) -> Moved:
    document = dict(_choice(visit.form))
    if rate := visit.form.text("rate"):
        document["rate"] = _rate(rate)
    question = ApiQuestion(document=document)
    started = (await visit.api.ask("POST", f"/dead-letters/{act}", question)).result
    assert isinstance(started, dict)
    return Moved(path=f"/jobs/{started['id']}", said="started")


async def _one(visit: Visit, failure: Exception | None = None) -> Shown:
    facts = {
        "letter": await visit.api.result("/dead-letters/{id}", visit.of_id()),
        "names": names_of(visit),
        "sentence": None if failure is None else sentence_of(failure),
    }
    status = 200 if failure is None else status_of(failure)
    return Shown(template="dead_letters/one.html", facts=facts, status=status)


def _choice(given: Given) -> Document:
    """Return the filters that are set, as the API's own."""
    return {name: text for name in _FILTERS if (text := given.text(name))}


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    raise BadRequest("the rate is a number of letters per second")


PAGES = (
    PageRoute(method="GET", path="/dead-letters", answer=show_list),
    *(
        PageRoute(
            method=method, path=f"/dead-letters/all/{act}", answer=partial(answer, act)
        )
        for act in _ACTS
        for method, answer in (("GET", confirm_all), ("POST", begin_all))
    ),
    PageRoute(method="GET", path="/dead-letters/{id}", answer=show_one),
    PageRoute(method="POST", path="/dead-letters/{id}/redrive", answer=redrive),
    PageRoute(method="POST", path="/dead-letters/{id}/drop", answer=drop),
)
