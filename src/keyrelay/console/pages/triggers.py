"""Triggers: what is not settled, and the whole story of one."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from keyrelay.api.failures import FORESEEN
from keyrelay.console.choices import read_choices
from keyrelay.console.listing import CursorList
from keyrelay.console.names import names_of
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.backlog import UNSETTLED
from keyrelay.stores.refusals import NotFound

_LIST = CursorList(
    path="/triggers",
    name="triggers",
    filters=("state", "action", "secret", "reason", "since", "until"),
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
    facts = {
        "page": page,
        "names": names_of(visit),
        "states": [*UNSETTLED],
        "choices": await read_choices(visit.api, ("action", "secrets")),
    }
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
    records = trigger["attempt_records"]
    assert isinstance(records, list)
    facts = {
        "trigger": trigger,
        "policies": await _policies(visit, records[-1:]),
        "acts": _ACTS.get(str(trigger["state"]), ()),
        "names": names_of(visit),
    }
    return page_after(failure, "triggers/one.html", facts)


async def _policies(visit: Visit, last: Sequence[Document]) -> Mapping[str, str]:
    """Return the name of the policy that allowed the last attempt, by its id."""
    found: dict[str, str] = {}
    for id_ in [str(each["policy"]) for each in last if each.get("policy")]:
        with suppress(NotFound):
            policy = await visit.api.result("/am/{id}", ApiQuestion(ids={"id": id_}))
            found[id_] = str(policy["name"])
    return found


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
