"""Attempts: what was tried, newest first."""

from keyrelay.console.listing import CursorList
from keyrelay.console.names import names_of
from keyrelay.console.visit import PageRoute, Shown, Visit
from keyrelay.model.audit import RESULTS
from keyrelay.model.outcome import ReasonClass

_LIST = CursorList(
    path="/attempts",
    name="attempts",
    filters=("outcome", "reason_class", "action", "secret", "trigger", "since"),
)


async def show_list(visit: Visit) -> Shown:
    facts = {
        "page": await _LIST.page(visit),
        "names": names_of(visit),
        "outcomes": RESULTS,
        "reason_classes": [*ReasonClass],
    }
    return Shown(template="triggers/attempts.html", facts=facts)


PAGES = (PageRoute(method="GET", path="/attempts", answer=show_list),)
