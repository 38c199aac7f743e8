"""Dead letters: what was given up; redriven or dropped, one, or many as a job."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from keyrelay.api.failures import FORESEEN, BadRequest
from keyrelay.console.choices import read_choices
from keyrelay.console.given import Given
from keyrelay.console.listing import CursorList
from keyrelay.console.names import names_of
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.outcome import Fault

_FILTERS = ("action", "fault", "reason", "since")
_LIST = CursorList(path="/dead-letters", name="dead_letters", filters=_FILTERS)
_ACTS = ("redrive", "drop")
_GROUPS_SHOWN = "8"
_SLOW = "5"  # letters a second
_NONE_CHOSEN = "No dead letter is selected: select some rows first."


async def show_list(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    facts = {
        "page": page,
        "counted": await _counted(visit, page.given),
        "choices": await read_choices(visit.api, ("action",)),
        "names": names_of(visit),
        "faults": [*Fault],
        "slow": _SLOW,
    }
    return Shown(template="dead_letters/list.html", facts=facts)


async def _counted(visit: Visit, given: Mapping[str, str]) -> Document:
    """Return the largest groups of those that match, and how many match."""
    narrowed = [(name, text) for name, text in given.items() if text]
    question = ApiQuestion(query=[*narrowed, ("amount", _GROUPS_SHOWN)])
    return await visit.api.result("/dead-letter-groups", question)


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
    return await _confirm_all(act, visit, visit.query)


async def begin_all(act: str, visit: Visit) -> Shown | Moved:
    try:
        return await _begin(act, visit, _narrowed(visit.form))
    except FORESEEN as failure:
        return await _confirm_all(act, visit, visit.form, failure)


async def confirm_chosen(act: str, visit: Visit) -> Shown:
    """Show what a job over the selected letters would do, before it is begun."""
    return _confirm_chosen(act, visit.query)


async def begin_chosen(act: str, visit: Visit) -> Shown | Moved:
    chosen = visit.form.texts("trigger")
    try:
        if not chosen:
            raise BadRequest(_NONE_CHOSEN)
        return await _begin(act, visit, {"triggers": chosen})
    except FORESEEN as failure:
        return _confirm_chosen(act, visit.form, failure)


async def _begin(act: str, visit: Visit, choice: Document) -> Moved:
    rate = visit.form.text("rate")
    document = {**choice, **({"rate": _rate(rate)} if rate else {})}
    question = ApiQuestion(document=document)
    started = (await visit.api.ask("POST", f"/dead-letters/{act}", question)).result
    assert isinstance(started, Mapping)
    return Moved(path=f"/jobs/{started['id']}", said="started")


async def _confirm_all(
    act: str, visit: Visit, given: Given, failure: Exception | None = None
) -> Shown:
    narrowed = _narrowed(given)
    counted = await _counted(visit, narrowed)
    groups = counted["groups"]
    assert isinstance(groups, list)
    facts = {
        "which": "all",
        "given": narrowed,
        "chosen": (),
        "count": counted["letters"],
        "is_more": not counted["are_all"],
        "groups": groups,
        "actions": counted["actions"],
        "names": names_of(visit),
    }
    return _confirmation(act, given, facts, failure)


def _confirm_chosen(act: str, given: Given, failure: Exception | None = None) -> Shown:
    chosen = given.texts("trigger")
    facts = {
        "which": "chosen",
        "given": {},
        "chosen": chosen,
        "count": len(chosen),
        "is_more": False,
        "groups": (),
    }
    shown = _confirmation(act, given, facts, failure)
    if chosen:
        return shown
    return replace(shown, facts={**shown.facts, "sentence": _NONE_CHOSEN})


def _confirmation(
    act: str, given: Given, facts: Document, failure: Exception | None
) -> Shown:
    asked = {
        "act": act,
        "rate": given.text("rate"),
    }
    return page_after(failure, "dead_letters/many.html", {**facts, **asked})


async def _one(visit: Visit, failure: Exception | None = None) -> Shown:
    facts = {
        "letter": await visit.api.result("/dead-letters/{id}", visit.of_id()),
        "names": names_of(visit),
    }
    return page_after(failure, "dead_letters/one.html", facts)


def _narrowed(given: Given) -> Mapping[str, str]:
    """Return the filters that are set."""
    return {name: text for name in _FILTERS if (text := given.text(name))}


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    raise BadRequest("rate is a number of letters per second")


# No letter's page has such a path: the id of a trigger may be any word.
_MANY = "/dead-letters/many"

PAGES = (
    PageRoute(method="GET", path="/dead-letters", answer=show_list),
    *(
        PageRoute(
            method=method, path=f"{_MANY}/{which}/{act}", answer=partial(answer, act)
        )
        for act in _ACTS
        for method, which, answer in (
            ("GET", "all", confirm_all),
            ("POST", "all", begin_all),
            ("GET", "chosen", confirm_chosen),
            ("POST", "chosen", begin_chosen),
        )
    ),
    PageRoute(method="GET", path="/dead-letters/{id}", answer=show_one),
    PageRoute(method="POST", path="/dead-letters/{id}/redrive", answer=redrive),
    PageRoute(method="POST", path="/dead-letters/{id}/drop", answer=drop),
)
