"""Secrets: listed, made, replaced and deleted; a value is typed, and never shown."""

from collections.abc import Mapping

from keyrelay.api.failures import FORESEEN
from keyrelay.console.channel_words import SECRET_HINTS, SECRET_NAMES, SECRET_USES
from keyrelay.console.conflicts import differences, is_conflict
from keyrelay.console.forms import typed_tags
from keyrelay.console.listing import NumberedList
from keyrelay.console.names import names_of
from keyrelay.console.own_api import ApiQuestion, Document, etag_in
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.fields import Fields
from keyrelay.model.secret import SecretType

_LIST = NumberedList(
    path="/secrets",
    fields=(
        "id",
        "key",
        "type",
        "tags",
        "version",
        "value_length",
        "updated_at",
        "paused",
    ),
    filters=("key", "tag"),
)


async def show_list(visit: Visit) -> Shown:
    page = await _LIST.page(visit)
    keys = await visit.api.tag_keys("secrets")
    facts = {"page": page, "type_names": SECRET_NAMES, "tag_keys": keys}
    return Shown(template="secrets/list.html", facts=facts)


async def show_new(visit: Visit) -> Shown:
    return await _new(visit)


async def create(visit: Visit) -> Shown | Moved:
    type_ = _type(visit, visit.form.text("type"))
    document = {
        "key": visit.form.text("key"),
        "type": type_.name,
        "value": _value(visit, type_),
        "tags": typed_tags(visit.form),
    }
    try:
        made = await visit.api.ask("POST", "/secrets", ApiQuestion(document=document))
    except FORESEEN as failure:
        return await _new(visit, failure)
    assert isinstance(made.result, Mapping)
    return Moved(path=f"/secrets/{made.result['id']}", said="created")


async def show_general(visit: Visit) -> Shown:
    return await _tab(visit, "General")


async def show_replace(visit: Visit) -> Shown:
    return await _tab(visit, "Replace value")


async def replace_value(visit: Visit) -> Shown | Moved:
    secret = await visit.api.result("/secrets/{id}", visit.of_id())
    type_ = _type(visit, str(secret["type"]))
    edit = {"value": _value(visit, type_)}
    try:
        await visit.api.ask("PUT", "/secrets/{id}", _edit(visit, edit))
    except FORESEEN as failure:
        return await _tab(visit, "Replace value", failure)
    return Moved(path=f"/secrets/{visit.id}", said="replaced")


async def save_tags(visit: Visit) -> Shown | Moved:
    edit = {"tags": typed_tags(visit.form)}
    try:
        await visit.api.ask("PUT", "/secrets/{id}", _edit(visit, edit))
    except FORESEEN as failure:
        secret = await visit.api.result("/secrets/{id}", visit.of_id())
        differing = differences(edit, secret) if is_conflict(failure) else None
        facts = {"differing": differing, "typed": edit["tags"]}
        return await _tab(visit, "General", failure, facts)
    return Moved(path=f"/secrets/{visit.id}", said="saved")


async def show_uses(visit: Visit) -> Shown:
    return await _tab(visit, "Used by")


async def show_history(visit: Visit) -> Shown:
    return await _tab(visit, "History")


async def show_more(visit: Visit) -> Shown:
    return await _tab(visit, "More")


async def delete(visit: Visit) -> Shown | Moved:
    secret = await visit.api.result("/secrets/{id}", visit.of_id())
    if visit.form.text("typed_key") != secret["key"]:
        facts = {"unsure": "Type the key of the secret to delete it."}
        return await _tab(visit, "More", facts=facts)
    await visit.api.ask("DELETE", "/secrets/{id}", visit.of_id())
    return Moved(path="/secrets", said="deleted")


def _edit(visit: Visit, edit: Document) -> ApiQuestion:
    """Return what edits the secret as the form has shown it, and no other state."""
    expected = visit.form.text("etag") or None
    return ApiQuestion(ids=visit.ids, document=edit, expected=expected)


async def _new(visit: Visit, failure: Exception | None = None) -> Shown:
    """Show the form, with all that was typed but the value, and what was wrong."""
    typed = visit.form if visit.form.pairs else visit.query
    type_ = _type(visit, typed.text("type"))
    facts = {
        "types": visit.api.process.store.definitions.secrets.rules.types,
        "type_names": SECRET_NAMES,
        "type_uses": SECRET_USES,
        "hints": SECRET_HINTS,
        "type": type_,
        "key": typed.text("key"),
        "tags": typed_tags(typed),
        "tag_keys": await visit.api.tag_keys("secrets"),
    }
    fields = ("key", "tags", *(each.name for each in type_.fields))
    return page_after(failure, "secrets/new.html", facts, fields)


async def _tab(
    visit: Visit,
    tab: str,
    failure: Exception | None = None,
    facts: Mapping[str, object] | None = None,
) -> Shown:
    found = await visit.api.ask("GET", "/secrets/{id}", visit.of_id())
    secret = found.result
    assert isinstance(secret, Mapping)
    shown = {
        "secret": secret,
        "etag": etag_in(found),
        "tab": tab,
        "type": _type(visit, str(secret["type"])),
        "type_names": SECRET_NAMES,
        "hints": SECRET_HINTS,
        "tag_keys": await visit.api.tag_keys("secrets"),
        "uses": await visit.api.results("/secrets/{id}/uses", visit.of_id()),
        "attempts": await _attempts(visit) if tab == "History" else (),
        "names": names_of(visit),
        "unsure": None,
        "differing": None,
        "typed": None,
        "url": visit.api.process.url,
        **(facts or {}),
    }
    return page_after(failure, "secrets/one.html", shown, ("tags", "value"))


async def _attempts(visit: Visit) -> object:
    asked = ApiQuestion(query=[("secret", visit.id), ("amount", "50")])
    return (await visit.api.result("/attempts", asked))["attempts"]


def _type(visit: Visit, name: str) -> SecretType:
    """Return the type of that name; for any other, the first there is."""
    types = visit.api.process.store.definitions.secrets.rules.types
    return types.get(name) or next(iter(types.values()))


def _value(visit: Visit, type_: SecretType) -> object:
    """Return what was typed as the value: a text, or the fields that are not empty."""
    if not type_.fields:
        return visit.form.whole("value")
    typed = {each.name: visit.form.whole(each.name) for each in type_.fields}
    return _numbered({name: text for name, text in typed.items() if text}, type_.fields)


def _numbered(typed: Mapping[str, str], fields: Fields) -> Document:
    """Return what was typed, with numbers where the schema says so."""
    whole = {each.name for each in fields if each.schema.get("type") == "integer"}
    return {
        name: int(text) if name in whole and text.isdigit() else text
        for name, text in typed.items()
    }


_ONE = "/secrets/{id}"

PAGES = (
    PageRoute(method="GET", path="/secrets", answer=show_list),
    PageRoute(method="GET", path="/secrets/new", answer=show_new),
    PageRoute(method="POST", path="/secrets/new", answer=create),
    PageRoute(method="GET", path=_ONE, answer=show_general),
    PageRoute(method="POST", path=_ONE, answer=save_tags),
    PageRoute(method="GET", path=f"{_ONE}/replace", answer=show_replace),
    PageRoute(method="POST", path=f"{_ONE}/replace", answer=replace_value),
    PageRoute(method="GET", path=f"{_ONE}/uses", answer=show_uses),
    PageRoute(method="GET", path=f"{_ONE}/history", answer=show_history),
    PageRoute(method="GET", path=f"{_ONE}/more", answer=show_more),
    PageRoute(method="POST", path=f"{_ONE}/delete", answer=delete),
)
