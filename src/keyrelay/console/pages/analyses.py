"""Analyses: listed, made, edited and deleted; what their scripts do stands beside."""

from collections.abc import Mapping

from keyrelay.api.failures import FORESEEN
from keyrelay.console.analysis_examples import example_upload
from keyrelay.console.forms import typed_tags
from keyrelay.console.listing import NumberedList
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.pages.analysis_tabs import (
    RUNS_ON,
    RUNTIMES,
    analysis_tab,
    etag_of,
)
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.analysis import MOST_VARIABLES

# fmt: off
_ROW = (
    "id", "name", "run_on", "runtime", "active", "last_run", "last_state", "tags",
    "version",
)
# fmt: on
_LIST = NumberedList(
    path="/analysis",
    fields=_ROW,
    filters=("name", "active", "run_on", "tag"),
)
_NEW_FIELDS = ("name", "runtime", "run_on", "tags")
_FIELDS = (*_NEW_FIELDS, "description", "interval", "active")


async def list_analyses(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    facts = {
        "page": page,
        "runs_on": RUNS_ON,
        "runtimes": RUNTIMES,
        "tag_keys": await visit.api.tag_keys("analysis"),
    }
    return Shown(template="analyses/list.html", facts=facts)


async def show_new(visit: Visit) -> Shown:
    return await _new(visit)


async def create(visit: Visit) -> Shown | Moved:
    form = visit.form
    document = {name: form.text(name) for name in ("name", "runtime", "run_on")}
    whole = {**document, "tags": typed_tags(form)}
    try:
        made = await visit.api.ask("POST", "/analysis", ApiQuestion(document=whole))
    except FORESEEN as failure:
        return await _new(visit, failure)
    assert isinstance(made.result, Mapping)
    id_ = str(made.result["id"])
    upload = example_upload(form.text("runtime"))
    if form.text("begin") == "example" and upload is not None:
        question = ApiQuestion(ids={"id": id_}, document=upload)
        await visit.api.ask("POST", "/analysis/{id}/upload", question)
    return Moved(path=f"/analyses/{id_}", said="created")


async def show_general(visit: Visit) -> Shown:
    return await _general(visit)


async def save_general(visit: Visit) -> Shown | Moved:
    form = visit.form
    edit = {
        "name": form.text("name"),
        "active": form.has("active"),
        "interval": form.text("interval") or "never",
        "run_on": form.text("run_on"),
        "runtime": form.text("runtime"),
        "description": form.whole("description"),
        "tags": typed_tags(form),
    }
    failure = await _edited(visit, edit)
    if failure is not None:
        return await _general(visit, failure, {"typed": edit})
    return Moved(path=f"/analyses/{visit.id}", said="saved")


async def show_token(visit: Visit) -> Shown:
    """Show the main token in this one answer; the API records that it was shown."""
    told = await visit.api.result("/analysis/{id}/token", visit.of_id())
    return await _general(visit, facts={"plaintext": told["analysis_token"]})


async def show_variables(visit: Visit) -> Shown:
    return await _variables(visit)


async def save_variables(visit: Visit) -> Shown | Moved:
    kept = await visit.api.result("/analysis/{id}", visit.of_id(reveal="no"))
    typed = _typed_variables(visit, kept["variables"])
    failure = await _edited(visit, {"variables": typed})
    if failure is not None:
        return await _variables(visit, failure, {"typed": typed})
    return Moved(path=f"/analyses/{visit.id}/variables", said="saved")


async def show_more(visit: Visit) -> Shown:
    return await analysis_tab(visit, "More", {"unsure": None})


async def show_examples(visit: Visit) -> Shown:
    return await analysis_tab(visit, "Examples")


async def delete(visit: Visit) -> Shown | Moved:
    asked = visit.of_id(reveal="no")
    analysis = await visit.api.result("/analysis/{id}", asked)
    if visit.form.text("typed_name") != analysis["name"]:
        unsure = {"unsure": "Type the name of the analysis to delete it."}
        return await analysis_tab(visit, "More", unsure)
    try:
        await visit.api.ask("DELETE", "/analysis/{id}", visit.of_id())
    except FORESEEN as failure:
        return await analysis_tab(visit, "More", {"unsure": None}, failure)
    return Moved(path="/analyses", said="deleted")


async def _new(visit: Visit, failure: Exception | None = None) -> Shown:
    typed = visit.form
    facts = {
        "runtimes": RUNTIMES,
        "runs_on": RUNS_ON,
        "typed": {name: typed.text(name) for name in ("name", "runtime", "run_on")},
        "begin": typed.text("begin") or "example",
        "tags": typed_tags(typed),
        "tag_keys": await visit.api.tag_keys("analysis"),
    }
    return page_after(failure, "analyses/new.html", facts, _NEW_FIELDS)


async def _general(
    visit: Visit, failure: Exception | None = None, facts: Document | None = None
) -> Shown:
    shown = {
        "typed": None,
        "plaintext": None,
        "runtimes": RUNTIMES,
        "tag_keys": await visit.api.tag_keys("analysis"),
        **(facts or {}),
    }
    return await analysis_tab(visit, "General", shown, failure, _FIELDS)


async def _variables(
    visit: Visit, failure: Exception | None = None, facts: Document | None = None
) -> Shown:
    asked = visit.of_id(state="replaced", amount=str(MOST_VARIABLES))
    try:
        given = await visit.api.result("/analysis/{id}/secrets", asked)
    except FORESEEN:  # the tab "Secrets it sees" says why
        given = {"secrets": []}
    secrets = given["secrets"]
    assert isinstance(secrets, list)
    shown = {
        "typed": None,
        "most": MOST_VARIABLES,
        "overridden": {each["key"]: each for each in secrets},
        **(facts or {}),
    }
    return await analysis_tab(visit, "Environment variables", shown, failure)


async def _edited(visit: Visit, edit: Document) -> Exception | None:
    """Edit the state that the form was shown with; return why it was not done."""
    question = ApiQuestion(ids=visit.ids, document=edit, expected=etag_of(visit))
    try:
        await visit.api.ask("PUT", "/analysis/{id}", question)
    except FORESEEN as failure:
        return failure
    return None


def _typed_variables(visit: Visit, before: object) -> list[Mapping[str, object]]:
    """Return the rows with a key or a value; what is the same keeps its type."""
    keys = visit.form.texts("variable_key")
    values = [text for name, text in visit.form.pairs if name == "variable_value"]
    assert isinstance(before, list)
    kept = {each["key"]: each["value"] for each in before}
    return [
        {"key": key, "value": _as_before(text, kept.get(key))}
        for key, text in zip(keys, values, strict=False)
        if key or text
    ]


def _as_before(text: str, before: object) -> object:
    """Return what was typed, as a number or a truth where it was one before."""
    if isinstance(before, bool):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(before, int | float):
        for read in (int, float):
            try:
                return read(text)
            except ValueError:
                continue
    return text


_ONE = "/analyses/{id}"

PAGES = (
    PageRoute(method="GET", path="/analyses", answer=list_analyses),
    PageRoute(method="GET", path="/analyses/new", answer=show_new),
    PageRoute(method="POST", path="/analyses/new", answer=create),
    PageRoute(method="GET", path=_ONE, answer=show_general),
    PageRoute(method="POST", path=_ONE, answer=save_general),
    PageRoute(method="POST", path=f"{_ONE}/token", answer=show_token),
    PageRoute(method="GET", path=f"{_ONE}/variables", answer=show_variables),
    PageRoute(method="POST", path=f"{_ONE}/variables", answer=save_variables),
    PageRoute(method="GET", path=f"{_ONE}/examples", answer=show_examples),
    PageRoute(method="GET", path=f"{_ONE}/more", answer=show_more),
    PageRoute(method="POST", path=f"{_ONE}/delete", answer=delete),
)
