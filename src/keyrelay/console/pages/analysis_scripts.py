"""Analysis scripts: uploaded and run; what they print, and what they are given."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from keyrelay.api.failures import FORESEEN, BadRequest, sentence_of
from keyrelay.console.listing import CursorList
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.pages.analysis_tabs import analysis_tab, etag_of
from keyrelay.console.visit import KeptFile, Moved, PageRoute, Shown, Visit
from keyrelay.model.run import RunState
from keyrelay.services.analysis_secrets import Giving

_RUNS = CursorList(path="/analysis/{id}/runs", name="runs", filters=("state",))
_SHOWN_SECRETS = 50  # of each state
_STATES = (("", "all"), *((state, str(state)) for state in RunState))


@dataclass(frozen=True, slots=True)
class _ScriptGiven:
    """A script that was typed or chosen."""

    file_name: str
    content: bytes


async def show_secrets(visit: Visit) -> Shown:
    """Show what each run is given, and what is withheld; one call for each state."""
    given: dict[str, object] = {}
    try:
        for state in Giving:
            given[state] = await visit.api.result(
                "/analysis/{id}/secrets", _secrets_asked(visit, state)
            )
    except FORESEEN as failure:
        return await analysis_tab(visit, "Secrets it sees", {"given": {}}, failure)
    return await analysis_tab(visit, "Secrets it sees", {"given": given})


def _secrets_asked(visit: Visit, state: str) -> ApiQuestion:
    asked = [("state", state), ("amount", str(_SHOWN_SECRETS))]
    if after := visit.query.text(state):
        asked.append(("after", after))
    return ApiQuestion(ids=visit.ids, query=asked)


async def show_script(visit: Visit) -> Shown:
    return await _script(visit)


async def upload_script(visit: Visit) -> Shown | Moved:
    """Keep a script as a new version: the file that was chosen, or what was typed."""
    form, chosen = visit.form, visit.form.files.get("file")
    draft = _ScriptGiven(form.text("file_name"), form.whole("text").encode())
    if chosen is not None:
        draft = _ScriptGiven(chosen.name, chosen.content)
    document = {
        "file": base64.b64encode(draft.content).decode(),
        "file_name": draft.file_name,
        "language": form.text("language"),
    }
    try:
        if form.has("upload") and chosen is None:
            raise BadRequest("file: choose one, then upload it")
        question = ApiQuestion(
            ids=visit.ids, document=document, expected=etag_of(visit)
        )
        await visit.api.ask("POST", "/analysis/{id}/upload", question)
    except FORESEEN as failure:
        typed = None if chosen or form.has("upload") else form.whole("text")
        return await _script(visit, failure, typed)
    return Moved(path=f"/analyses/{visit.id}/script", said="uploaded")


async def download_script(visit: Visit) -> KeptFile:
    asked = visit.of_id(version=visit.ids["version"], file="yes")
    found = await visit.api.result("/analysis/{id}/script", asked)
    content = base64.b64decode(str(found["file"]))
    return KeptFile(name=str(found["file_name"]), chunks=_once(content))


async def show_console(visit: Visit) -> Shown:
    return await analysis_tab(visit, "Console")


async def clear_console(visit: Visit) -> Moved:
    await visit.api.ask("DELETE", "/analysis/{id}/console", visit.of_id())
    return Moved(path=f"/analyses/{visit.id}/console", said="cleared")


async def download_console(visit: Visit) -> KeptFile:
    asked = visit.of_id(reveal="no")
    lines = (await visit.api.result("/analysis/{id}", asked))["console"]
    assert isinstance(lines, list)
    text = "".join(f"{line}\n" for line in lines)
    return KeptFile(name=f"console-{visit.id}.txt", chunks=_once(text.encode()))


async def show_runs(visit: Visit) -> Shown:
    return await _runs(visit)


async def run_now(visit: Visit) -> Shown | Moved:
    scope = visit.form.whole("scope")
    try:
        question = ApiQuestion(ids=visit.ids, document={"scope": _scope(scope)})
        await visit.api.ask("POST", "/analysis/{id}/run", question)
    except FORESEEN as failure:
        return await _runs(visit, failure, scope)
    return Moved(path=f"/analyses/{visit.id}/runs", said="asked")


def _scope(text: str) -> object:
    """Return what the script is given; nothing typed is none. Raises BadRequest."""
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("scope must be JSON, such as a list of data points") from None


async def _script(
    visit: Visit, failure: Exception | None = None, typed: str | None = None
) -> Shown:
    """Show the versions, and the text of the last one, where it is one."""
    facts: dict[str, object] = {"script": None, "unread": None, "typed": typed}
    if visit.api.may("GET", "/analysis/{id}/script"):
        try:
            script = await visit.api.result("/analysis/{id}/script", visit.of_id())
            facts["script"] = script
        except FORESEEN as fault:  # none was uploaded, or it was altered
            facts["unread"] = sentence_of(fault)
    return await analysis_tab(visit, "Script", facts, failure, ("file", "file_name"))


async def _runs(
    visit: Visit, failure: Exception | None = None, scope: str = ""
) -> Shown:
    page = await _RUNS.page(visit)
    facts: Document = {"page": page, "states": _STATES, "scope": scope}
    return await analysis_tab(visit, "Runs", facts, failure, ("scope",))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


_ONE = "/analyses/{id}"

PAGES = (
    PageRoute(method="GET", path=f"{_ONE}/secrets", answer=show_secrets),
    PageRoute(method="GET", path=f"{_ONE}/script", answer=show_script),
    PageRoute(method="POST", path=f"{_ONE}/script", answer=upload_script),
    PageRoute(method="GET", path=f"{_ONE}/script/{{version}}", answer=download_script),
    PageRoute(method="GET", path=f"{_ONE}/console", answer=show_console),
    PageRoute(method="POST", path=f"{_ONE}/console/clear", answer=clear_console),
    PageRoute(method="GET", path=f"{_ONE}/console/download", answer=download_console),
    PageRoute(method="GET", path=f"{_ONE}/runs", answer=show_runs),
    PageRoute(method="POST", path=f"{_ONE}/runs", answer=run_now),
)
