"""State of things: what the Overview tells at a glance, and what needs someone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyrelay.api.failures import FORESEEN
from keyrelay.console.charts import outcomes
from keyrelay.console.frame import now_of
from keyrelay.console.own_api import ApiQuestion, Document, OwnApi
from keyrelay.console.rendering import instant
from keyrelay.console.visit import Visit
from keyrelay.model.analysis import RunOn
from keyrelay.model.audit import RESULTS
from keyrelay.model.token import Token

MOST_COUNTED = 1000
SOON = timedelta(days=14)

_MOST_TOLD = 5  # of each kind
_SOME = ("amount", str(MOST_COUNTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedEntries:
    """Entries of a list as far as they were read; `more`, there are more of them.

    None in place of it: the list cannot be read now.
    """

    entries: Sequence[Document]
    more: bool

    @property
    def count(self) -> str:
        return f"{len(self.entries):,}".replace(",", "\u202f") + "+" * self.more


async def at_a_glance(visit: Visit) -> Mapping[str, object]:
    """Return what the tiles tell. Raises as the routes do."""
    api, now = visit.api, now_of(visit.api)
    drawn = await outcomes(api, now)
    await api.process.observed.readiness.refresh()
    return {
        "now": now,
        "drawn": drawn,
        "sums": {outcome: sum(drawn[outcome]) for outcome in RESULTS},
        "waiting": await _counted(api, "/triggers", "triggers"),
        "letters": await api.result("/dead-letter-groups"),
        "paused": await api.results("/pauses"),
        "faults": api.process.observed.readiness.faults(),
        "may": api.may,
    }


async def _counted(api: OwnApi, path: str, name: str) -> CountedEntries | None:
    try:
        found = await api.result(path, ApiQuestion(query=[_SOME]))
    except FORESEEN:  # a queue that is away hides nothing else
        return None
    entries = found[name]
    assert isinstance(entries, list)
    return CountedEntries(entries=entries, more=found["next"] is not None)


async def expiring(api: OwnApi, now: datetime) -> Sequence[Document]:
    """Return the tokens that expire soon, the first one first."""
    if not api.may("GET", "/tokens"):
        return ()
    listed = await api.results("/tokens", ApiQuestion(query=[_SOME]))
    ends = [(instant(each["expire_time"]), each) for each in listed]
    soon = [(at, each) for at, each in ends if at is not None and now < at < now + SOON]
    return [each for _, each in sorted(soon, key=lambda pair: pair[0])][:_MOST_TOLD]


async def remarked(api: OwnApi) -> Sequence[Document]:
    """Return the hosted analysis of which something is remarked, as that none hosts it.

    One stands for all: what is missing for one is missing for the next.
    """
    fields = ("id", "name", "run_on", "active")
    query = [("fields", field) for field in fields]
    listed = await api.results("/analysis", ApiQuestion(query=query))
    for each in listed:
        if each.get("run_on") == RunOn.HOSTED and each.get("active"):
            # Its token is not looked at, which would be recorded.
            asked = ApiQuestion(ids={"id": str(each["id"])}, query=[("reveal", "no")])
            shown = await api.ask("GET", "/analysis/{id}", asked)
            if shown.message is not None:
                return [{**each, "remark": shown.message}]
    return ()


async def begun(api: OwnApi) -> Mapping[str, bool]:
    """Return which of the first three steps were done: the nouns by their paths."""
    one = ApiQuestion(query=[("amount", "1")])
    return {
        path: bool(await api.results(path, one))
        for path in ("/secrets", "/am", "/action")
    }


async def installation(visit: Visit) -> Document | None:
    """Return the installation's facts, asked with the operator token of the session."""
    operator = visit.signed_in.operator
    return None if operator is None else await _asked_by(visit.api, operator)


async def _asked_by(api: OwnApi, operator: Token) -> Document | None:
    caller = replace(api.caller, token=operator)
    try:
        return await replace(api, caller=caller).result("/installation")
    except FORESEEN:  # it was revoked, or the database is away
        return None
