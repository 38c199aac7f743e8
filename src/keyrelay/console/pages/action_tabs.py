"""Action tabs: one action: what it does, whether it may, trying it, its attempts."""

import json
from collections.abc import Mapping

from keyrelay.api.failures import FORESEEN, Denied, sentence_of, status_of
from keyrelay.console.action_form import Rows
from keyrelay.console.channel_words import TYPE_WORDS, secret_field, words_of
from keyrelay.console.forms import typed_rows
from keyrelay.console.listing import CursorList, ListPage
from keyrelay.console.own_api import ApiQuestion, Document, etag_in
from keyrelay.console.pages.actions import analyses, stored_action, type_of
from keyrelay.console.visit import Facts, Moved, PageRoute, Shown, Visit
from keyrelay.model.documents import InvalidDefinition

_ATTEMPTS = CursorList(path="/attempts", name="attempts", filters=("outcome",))
_POINT = ("variable", "value", "unit", "device_name")
_SAMPLE: Mapping[str, str] = {
    "variable": "temperature",
    "value": "21.5",
    "unit": "°C",
    "device_name": "",
}


async def show_general(visit: Visit) -> Shown:
    return await _tab(visit, "General")


async def switch(visit: Visit) -> Shown | Moved:
    """Turn the action on or off, or lock or unlock it."""
    name = "lock" if visit.form.has("lock") else "active"
    question = ApiQuestion(
        ids=visit.ids,
        document={name: visit.form.text(name) == "on"},
        expected=visit.form.text("etag"),
    )
    try:
        await visit.api.ask("PUT", "/action/{id}", question)
    except FORESEEN as failure:
        return await _tab(visit, "General", failure)
    return Moved(path=f"/actions/{visit.id}", said="saved")


async def show_try(visit: Visit) -> Shown:
    if not visit.api.may("POST", "/triggers"):
        raise Denied
    sample: Document = {"data": [_point(_SAMPLE)]}
    try:
        preview = await _previewed(visit, sample)
    except FORESEEN:  # it is said when it is tried
        preview = None
    return await _tab(visit, "Try", facts={"preview": preview})


async def try_(visit: Visit) -> Shown | Moved:
    """Publish a trigger, or show what would be sent for it."""
    try:
        trigger = {"action": visit.id, "data": _typed_points(visit)}
        if visit.form.has("preview"):
            preview = await _previewed(visit, trigger)
            return await _tab(visit, "Try", facts={"preview": preview})
        named = {**trigger, "id": visit.form.text("trigger_id") or None}
        answer = await visit.api.ask("POST", "/triggers", ApiQuestion(document=named))
    except FORESEEN as failure:
        return await _tab(visit, "Try", failure)
    return await _published(visit, answer.result, answer.status)


async def show_attempts(visit: Visit) -> Shown:
    return await _tab(visit, "Attempts")


async def show_more(visit: Visit) -> Shown:
    return await _tab(visit, "More")


async def delete(visit: Visit) -> Shown | Moved:
    action, _ = await stored_action(visit)
    if visit.form.text("typed_name") != action["name"]:
        facts = {"unsure": "Type the name of the action to delete it."}
        return await _tab(visit, "More", facts=facts)
    await visit.api.ask("DELETE", "/action/{id}", visit.of_id())
    return Moved(path="/actions", said="deleted")


async def _previewed(visit: Visit, trigger: Document) -> object:
    question = ApiQuestion(ids=visit.ids, document=trigger)
    return (await visit.api.ask("POST", "/action/{id}/preview", question)).result


async def _published(visit: Visit, result: object, status: int) -> Shown | Moved:
    """Go to the trigger that was accepted, or say why it was not."""
    assert isinstance(result, list)
    (told,) = result
    if told["state"] == "accepted":
        return Moved(path=f"/triggers/{told['id']}", said="published")
    if told["state"] == "duplicate":
        return await _tab(visit, "Try", facts={"published_before": told["id"]})
    facts = {"sentence": told["reason"]}
    return await _tab(visit, "Try", facts=facts, status=status)


async def _tab(
    visit: Visit,
    tab: str,
    failure: Exception | None = None,
    facts: Facts | None = None,
    status: int = 200,
) -> Shown:
    found = await visit.api.ask("GET", "/action/{id}", visit.of_id())
    action = found.result
    assert isinstance(action, Mapping)
    type_ = type_of(visit, action)
    shown = {
        "action": action,
        "etag": etag_in(found),
        "remarks": found.message,
        "tab": tab,
        "type": type_,
        "type_words": TYPE_WORDS,
        "words": words_of(type_),
        "sentence": None if failure is None else sentence_of(failure),
        **await _OF_TABS[tab](visit, action),
        **(facts or {}),
    }
    status = status if failure is None else status_of(failure)
    return Shown(template="actions/one.html", facts=shown, status=status)


async def _general(visit: Visit, action: Document) -> Facts:
    type_ = type_of(visit, action)
    field = secret_field(type_)
    does = action["action"]
    assert isinstance(does, Mapping)
    secret = str(does[field]) if field else None
    return {
        "secret_field": field,
        "secret": secret,
        "secret_key": await _name(visit, "/secrets/{id}", secret, "key"),
        "may_use": await _explained(visit, secret),
        "analyses": {each["id"]: each["name"] for each in await analyses(visit, type_)},
    }


async def _explained(visit: Visit, secret: str | None) -> Facts | None:
    """Return whether the action may use its secret, and why; None, it needs none."""
    if secret is None:
        return None
    asked = ApiQuestion(query=[("action", visit.id), ("secret", secret)])
    try:
        told = await visit.api.result("/am/explain", asked)
    except FORESEEN as failure:
        return {"allowed": False, "reason": sentence_of(failure), "policy": None}
    policy = told["policy"]
    name = await _name(visit, "/am/{id}", policy, "name")
    return {**told, "policy_name": name}


async def _name(visit: Visit, path: str, id_: object, member: str) -> str | None:
    """Return what people call the thing with that id; None, it is not there."""
    if not isinstance(id_, str):
        return None
    try:
        found = await visit.api.result(path, ApiQuestion(ids={"id": id_}))
    except FORESEEN:
        return None
    return str(found[member])


async def _try(visit: Visit, _: Document) -> Facts:
    world = visit.api.process.store.audit_log.world
    given = visit.form if visit.form.pairs else visit.query
    typed = typed_rows(visit.form, _POINT)
    rows: Rows = typed or [_SAMPLE]
    sample = json.dumps([_point(row) for row in rows], indent=2, ensure_ascii=False)
    return {
        "as_json": given.text("as") == "json",
        "rows": rows,
        "data": visit.form.whole("data") or sample,
        # Sent twice, by two presses of the button, it is one trigger.
        "trigger_id": world.new_id(world.now()),
        "published_before": None,
        "preview": None,
    }


def _typed_points(visit: Visit) -> object:
    """Return the data points that were typed. Raises InvalidDefinition."""
    if visit.form.text("as") != "json":
        return [_point(row) for row in typed_rows(visit.form, _POINT)]
    try:
        return json.loads(visit.form.whole("data") or "null")
    except ValueError as flaw:
        reason = str(flaw)
    raise InvalidDefinition(f"the data points are no JSON: {reason}")


def _point(row: Mapping[str, str]) -> Document:
    """Return a data point; a value that reads as a number or a boolean is one."""
    point: dict[str, object] = {name: text for name, text in row.items() if text}
    if "value" in point:
        point["value"] = _value(row["value"])
    return point


def _value(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


async def _attempts(visit: Visit, _: Document) -> Facts:
    page: ListPage = await _ATTEMPTS.page(visit, about=[("action", visit.id)])
    return {"page": page}


async def _more(visit: Visit, action: Document) -> Facts:
    return {
        "unsure": None,
        "url": visit.api.process.url,
    }


_OF_TABS = {
    "General": _general,
    "Try": _try,
    "Attempts": _attempts,
    "More": _more,
}
_ONE = "/actions/{id}"

PAGES = (
    PageRoute(method="GET", path=_ONE, answer=show_general),
    PageRoute(method="POST", path=f"{_ONE}/switch", answer=switch),
    PageRoute(method="GET", path=f"{_ONE}/try", answer=show_try),
    PageRoute(method="POST", path=f"{_ONE}/try", answer=try_),
    PageRoute(method="GET", path=f"{_ONE}/attempts", answer=show_attempts),
    PageRoute(method="GET", path=f"{_ONE}/more", answer=show_more),
    PageRoute(method="POST", path=f"{_ONE}/delete", answer=delete),
)
