"""Tokens: made, shown once, listed and revoked, by full tokens alone."""

from collections.abc import Mapping

from keyrelay.api.failures import FORESEEN, Denied, sentence_of, status_of
from keyrelay.console.choices import read_choices
from keyrelay.console.listing import NumberedList
from keyrelay.console.own_api import ApiQuestion, Document
from keyrelay.console.policy_rows import id_typed
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit

# fmt: off
_LIST = NumberedList(
    path="/tokens",
    fields=(
        "id", "name", "kind", "permission", "actions", "analysis", "prefix",
        "created_by", "created_at", "expire_time", "last_authorization",
    ),
    filters=("name",),
)
# fmt: on
_MOST_ROWS = 10_000  # among which a token that is to be revoked is looked for
_REFUSED = Shown(
    template="tokens/refused.html",
    facts={"sentence": sentence_of(Denied())},
    status=status_of(Denied()),
)
_PERMISSIONS = {
    "read": "Sees everything, changes nothing",
    "write": "Keeps secrets, actions and analyses; publishes and redrives",
    "full": "Writes policies and makes tokens as well",
}


async def show_list(visit: Visit) -> Shown:
    if not visit.api.may("GET", "/tokens"):
        return _REFUSED
    page = await _LIST.page(visit)
    bound = any(row.get("actions") or row.get("analysis") for row in page.rows)
    kinds = ("action", "analysis") if bound else ()
    names = (await read_choices(visit.api, kinds)).names
    return Shown(template="tokens/list.html", facts={"page": page, "names": names})


async def show_new(visit: Visit) -> Shown:
    return await _new(visit) if visit.api.may("POST", "/tokens") else _REFUSED


async def create(visit: Visit) -> Shown:
    """Make a token, and show it on this answer alone: no address leads to it."""
    choices = await read_choices(visit.api, ("action",))
    document = _document(visit, choices.ids)
    try:
        made = await visit.api.ask("POST", "/tokens", ApiQuestion(document=document))
    except FORESEEN as failure:
        return await _new(visit, failure)
    assert isinstance(made.result, Mapping)
    facts = {"name": document["name"], "plaintext": made.result["token"]}
    return Shown(template="tokens/made.html", facts=facts)


async def show_revoking(visit: Visit) -> Shown:
    if not visit.api.may("DELETE", "/tokens/{id}"):
        return _REFUSED
    query = [("amount", str(_MOST_ROWS))]
    rows = await visit.api.results("/tokens", ApiQuestion(query=query))
    found = next((row for row in rows if row["id"] == visit.id), None)
    if found is None:
        facts = {"sentence": "This token is not there: it was revoked already."}
        return Shown(template="failure.html", facts=facts, status=404)
    own = found["id"] == visit.signed_in.token.id
    return Shown(template="tokens/revoke.html", facts={"row": found, "own": own})


async def revoke(visit: Visit) -> Moved:
    await visit.api.ask("DELETE", "/tokens/{id}", visit.of_id())
    return Moved(path="/tokens", said="revoked")


async def _new(visit: Visit, failure: Exception | None = None) -> Shown:
    form = visit.form
    facts = {
        "permissions": _PERMISSIONS,
        "name": form.text("name"),
        "kind": form.text("kind") or "profile",
        "permission": form.text("permission") or "read",
        "typed_actions": [each for each in form.texts("action") if each],
        "expiry": form.text("expiry"),
        "choices": await read_choices(visit.api, ("action",)),
    }
    return page_after(failure, "tokens/new.html", facts, ("expire_time",))


def _document(visit: Visit, ids: Mapping[str, str]) -> Document:
    """Return what was typed; what is not of the chosen kind was not meant."""
    form = visit.form
    document: dict[str, object] = {
        "name": form.text("name"),
        "kind": form.text("kind"),
    }
    if form.text("kind") == "profile":
        document["permission"] = form.text("permission")
    actions = [id_typed(each, ids) for each in form.texts("action") if each]
    if form.text("kind") == "producer" and actions:
        document["actions"] = actions
    if day := form.text("expiry"):
        is_day = len(day) == len("2030-01-31")  # which counts to its end
        document["expire_time"] = f"{day}T23:59:59Z" if is_day else day
    return document


PAGES = (
    PageRoute(method="GET", path="/tokens", answer=show_list),
    PageRoute(method="GET", path="/tokens/new", answer=show_new),
    PageRoute(method="POST", path="/tokens/new", answer=create),
    PageRoute(method="GET", path="/tokens/{id}/revoke", answer=show_revoking),
    PageRoute(method="POST", path="/tokens/{id}/revoke", answer=revoke),
)
