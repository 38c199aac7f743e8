"""Analysis tabs: what every tab of an analysis shows, and how each is asked for."""

from collections.abc import Mapping, Sequence

from keyrelay.console.analysis_examples import EXAMPLES
from keyrelay.console.own_api import Document, etag_in
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Shown, Visit
from keyrelay.model.analysis import RunOn
from keyrelay.model.uploaded_script import Runtime

RUNS_ON: Mapping[str, str] = {RunOn.HOSTED: "hosted", RunOn.EXTERNAL: "external"}
RUNTIMES: Mapping[str, str] = {
    Runtime.PYTHON: "Python",
    Runtime.NODE: "Node.js",
    Runtime.PYTHON_LEGACY: "Python (legacy)",
    Runtime.NODE_LEGACY: "Node.js (legacy)",
    Runtime.DENO: "Deno (kept, not run)",
    Runtime.OTHER: "other (kept, not run)",
}
_TABS = (
    ("General", ""),
    ("Environment variables", "/variables"),
    ("Secrets it sees", "/secrets"),
    ("Script", "/script"),
    ("Console", "/console"),
    ("Runs", "/runs"),
    ("Examples", "/examples"),
    ("More", "/more"),
)


async def analysis_tab(
    visit: Visit,
    tab: str,
    facts: Document | None = None,
    failure: Exception | None = None,
    fields: Sequence[str] = (),
) -> Shown:
    """Show a tab; its token is told by how it begins. Raises as the route does."""
    asked = visit.of_id(reveal="no")
    found = await visit.api.ask("GET", "/analysis/{id}", asked)
    shown = {
        **_around(visit, tab),
        "analysis": found.result,
        "remark": found.message,
        # What was typed is saved over the state that it was typed over, or not at all.
        "etag": etag_of(visit) or etag_in(found),
        **(facts or {}),
    }
    name = tab.split()[0].lower()
    return page_after(failure, f"analyses/{name}.html", shown, fields)


def _around(visit: Visit, tab: str) -> Document:
    at = f"/analyses/{visit.id}"
    return {
        "at": at,
        "tab": tab,
        "tabs_of_one": [(name, f"{at}{path}") for name, path in _TABS],
        "runs_on": RUNS_ON,
        "runtimes": RUNTIMES,
        "examples": EXAMPLES,
        "url": visit.api.process.url,
    }


def etag_of(visit: Visit) -> str | None:
    """Return the etag of the state that the form was shown with."""
    return visit.form.text("etag") or None
