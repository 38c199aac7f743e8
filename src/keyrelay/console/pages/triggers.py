"""Triggers: what is not settled, and the whole story of one."""

from functools import partial

from keyrelay.api.failures import FORESEEN, sentence_of, status_of
from keyrelay.console.listing import CursorList
from keyrelay.console.names import names_of
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.backlog import UNSETTLED

_LIST = CursorList(
    path="/triggers",
    name="triggers",
    filters=("state", "action", "reason", "since", "until"),
)
# Which acts a trigger's state allows, each with what the page says next.
_ACTS = {
    "waiting": ("hold", "cancel"),
    "retrying": ("retry", "hold", "cancel"),
    "held": ("release", "cancel"),
    "cancelling": ("cancel",),
}
_SAID = {
    "hold": "held",
    "release": "released",
    "cancel": "cancelled",
    "retry": "retried",
}


async def show_list(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    facts = {"page": page, "names": names_of(visit), "states": [*UNSETTLED]}
    return Shown(template="triggers/list.html", facts=facts)


async def show_one(visit: Visit) -> Shown:
    return await _one(visit)


async def _act(act: str, visit: Visit) -> Shown | Moved:
    """Act on the trigger; where it stands otherwise, say so beside its story."""
    try:
        await visit.api.ask("POST", f"/triggers/{{id}}/{act}", visit.of_id())
    except FORESEEN as failure:
        return await _one(visit, failure)
    return Moved(path=f"/triggers/{visit.id}", said=_SAID[act])


async def _one(visit: Visit, failure: Exception | None = None) -> Shown:
    trigger = await visit.api.result("/triggers/{id}", visit.of_id())
    letter = None
    if trigger["state"] == "buried":
        letter = await visit.api.result("/dead-letters/{id}", visit.of_id())
    facts = {
        "trigger": trigger,
        "letter": letter,
        "acts": _ACTS.get(str(trigger["state"]), ()),
        "names": names_of(visit),
        "sentence": None if failure is None else sentence_of(failure),
    }
    status = 200 if failure is None else status_of(failure)
    return Shown(template="triggers/one.html", facts=facts, status=status)


PAGES = (
    PageRoute(method="GET", path="/triggers", answer=show_list),
    PageRoute(method="GET", path="/triggers/{id}", answer=show_one),
    *(
        PageRoute(
            method="POST", path=f"/triggers/{{id}}/{act}", answer=partial(_act, act)
        )
        for act in _SAID
    ),
)
