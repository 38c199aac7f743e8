"""Attempts: what was tried, newest first."""

from keyrelay.console.choices import read_choices
from keyrelay.console.listing import CursorList
from keyrelay.console.live import FILTERS
from keyrelay.console.visit import PageRoute, Shown, Visit
from keyrelay.model.audit import RESULTS
from keyrelay.model.outcome import ReasonClass

_LIST = CursorList(
    path="/attempts",
    name="attempts",
    filters=(*FILTERS, "since", "until"),
    always=(("details", "true"),),
)


async def show_list(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    facts = {
        "page": page,
        # A page further on stays as it is.
        "followed": {name: page.given[name] for name in FILTERS if page.given[name]},
        "is_live": page.first is None and not page.given["until"],
        "choices": await read_choices(visit.api, ("action", "secrets")),
        "outcomes": RESULTS,
        "reason_classes": [*ReasonClass],
    }
    return Shown(template="triggers/attempts.html", facts=facts)


PAGES = (PageRoute(method="GET", path="/attempts", answer=show_list),)
