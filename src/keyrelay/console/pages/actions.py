"""Actions: listed, made and edited, with what they would send shown beside the form."""

from collections.abc import Mapping, Sequence

from keyrelay.api.failures import FORESEEN, Denied, sentence_of
from keyrelay.console.action_form import (
    BY_PROGRAMS,
    ActionForm,
    shown_action,
    typed_action,
)
from keyrelay.console.action_writing import NEW, changes_between, written_action
from keyrelay.console.channel_words import (
    FACTS,
    TYPE_WORDS,
    secret_field,
    words_of,
)
from keyrelay.console.conflicts import differences, is_conflict
from keyrelay.console.listing import NumberedList
from keyrelay.console.names import names_of
from keyrelay.console.own_api import ApiQuestion, Document, etag_in
from keyrelay.console.refusing import page_after
from keyrelay.console.visit import Facts, Moved, PageRoute, Shown, Visit
from keyrelay.model.action import ActionType

# fmt: off
_LIST = NumberedList(
    path="/action",
    fields=(
        "id", "name", "type", "action", "active", "lock", "tags", "last_triggered",
    ),
    filters=("name", "tag", "active"),
)
# fmt: on
_ALL = ("amount", "10000")  # the most that the API lists


async def show_list(visit: Visit) -> Shown:
    facts = {
        "page": await _LIST.page(visit),
        "type_words": TYPE_WORDS,
        "secret_fields": {
            name: secret_field(type_) for name, type_ in types_of(visit).items()
        },
        "names": names_of(visit),
        "tag_keys": await visit.api.tag_keys("action"),
    }
    return Shown(template="actions/list.html", facts=facts)


async def show_new(visit: Visit) -> Shown:
    type_ = type_named(visit, visit.query.text("type"))
    start = shown_action(_start(visit, type_), type_)
    return await _form(visit, type_, start)


async def create(visit: Visit) -> Shown | Moved:
    type_ = type_named(visit, visit.form.text("type"))
    form = typed_action(visit.form, type_)
    document = written_action(form, type_)
    if visit.form.has("preview"):
        return await _form(visit, type_, form, {"draft": document})
    try:
        made = await visit.api.ask("POST", "/action", ApiQuestion(document=document))
    except FORESEEN as failure:
        return await _form(visit, type_, form, failure=failure)
    assert isinstance(made.result, Mapping)
    return Moved(path=f"/actions/{made.result['action']}", said="created")


async def show_edit(visit: Visit) -> Shown:
    stored, etag = await stored_action(visit)
    type_ = type_of(visit, stored)
    facts = {"stored": stored, "etag": etag, "draft": written_action_of(visit, stored)}
    return await _form(visit, type_, shown_action(stored, type_), facts)


async def save(visit: Visit) -> Shown | Moved:
    stored, etag = await stored_action(visit)
    type_ = type_of(visit, stored)
    form = typed_action(visit.form, type_)
    document = written_action(form, type_, stored)
    expected = visit.form.text("etag")
    facts: Facts = {"stored": stored, "etag": expected, "draft": document}
    if visit.form.has("preview"):
        return await _form(visit, type_, form, facts)
    question = ApiQuestion(
        ids=visit.ids, document=changes_between(document, stored), expected=expected
    )
    try:
        await visit.api.ask("PUT", "/action/{id}", question)
    except FORESEEN as failure:
        if is_conflict(failure):
            # The form goes on from what was read here, which it shows beside it.
            differing = differences(document, stored)
            facts = {**facts, "etag": etag, "differing": differing}
        return await _form(visit, type_, form, facts, failure)
    return Moved(path=f"/actions/{visit.id}", said="saved")


async def stored_action(visit: Visit) -> tuple[Document, str]:
    """Return the action that the page is about, and its etag."""
    found = await visit.api.ask("GET", "/action/{id}", visit.of_id())
    assert isinstance(found.result, Mapping)
    return found.result, etag_in(found)


def written_action_of(visit: Visit, stored: Document) -> Document:
    """Return a stored action as the API takes it."""
    type_ = type_of(visit, stored)
    return written_action(shown_action(stored, type_), type_, stored)


def types_of(visit: Visit) -> Mapping[str, ActionType]:
    return visit.api.process.store.definitions.secrets.actions.types


def type_named(visit: Visit, name: str) -> ActionType:
    """Return the type of that name; for any other, the first there is."""
    types = types_of(visit)
    return types.get(name) or next(iter(types.values()))


def type_of(visit: Visit, stored: Document) -> ActionType:
    action = stored["action"]
    assert isinstance(action, Mapping)
    return type_named(visit, str(action["type"]))


async def analyses(visit: Visit, type_: ActionType) -> Sequence[Document]:
    """Return what an action of this type may run."""
    if all(each.name != "script" for each in type_.fields):
        return ()
    # Listed, as an analysis that is shown by itself comes with its token.
    fields = [("fields", name) for name in ("id", "name")]
    return await visit.api.results("/analysis", ApiQuestion(query=[*fields, _ALL]))


def _start(visit: Visit, type_: ActionType) -> Document:
    """Return what a new action begins with: the secret that the address names."""
    field = secret_field(type_)
    return {"action": {field: visit.query.text("secret")}} if field else {}


async def _form(
    visit: Visit,
    type_: ActionType,
    form: ActionForm,
    facts: Facts = NEW,
    failure: Exception | None = None,
) -> Shown:
    """Show the form; `facts` may have what is stored, and a draft."""
    if not visit.api.may("POST", "/action"):
        raise Denied
    shown = {
        **dict.fromkeys(("stored", "etag", "differing")),
        **facts,
        **await _choices(visit, type_),
        "form": form,
        "preview": await _preview(visit, facts.get("draft")),
    }
    fields = ("name", "description", "tags", "retry", *(f.name for f in type_.fields))
    return page_after(failure, "actions/form.html", shown, fields)


async def _choices(visit: Visit, type_: ActionType) -> Facts:
    """Return what the form offers, and the words for it."""
    return {
        "type": type_,
        "types": types_of(visit),
        "type_words": TYPE_WORDS,
        "words": words_of(type_),
        "facts": FACTS,
        "by_programs": BY_PROGRAMS,
        "secret_field": secret_field(type_),
        "secrets": await _secrets_for(visit, type_),
        "analyses": await analyses(visit, type_),
        "tag_keys": await visit.api.tag_keys("action"),
    }


async def _preview(visit: Visit, draft: object) -> Document | None:
    """Return what a draft would send, or the sentence on why it is no action yet."""
    if not isinstance(draft, Mapping):
        return None
    id_ = visit.ids.get("id")
    about = {"action": draft, **({"id": id_} if id_ else {})}
    try:
        shown = await visit.api.ask(
            "POST", "/action/preview", ApiQuestion(document=about)
        )
    except FORESEEN as failure:
        return {"incomplete": sentence_of(failure)}
    assert isinstance(shown.result, Mapping)
    return shown.result


async def _secrets_for(visit: Visit, type_: ActionType) -> Sequence[Document]:
    if type_.secret is None:
        return ()
    fields = [("fields", name) for name in ("id", "key", "type")]
    asked = ApiQuestion(query=[*fields, _ALL])
    secrets = await visit.api.results("/secrets", asked)
    wanted = type_.secret.name
    return [each for each in secrets if each.get("type") == wanted]


PAGES = (
    PageRoute(method="GET", path="/actions", answer=show_list),
    PageRoute(method="GET", path="/actions/new", answer=show_new),
    PageRoute(method="POST", path="/actions/new", answer=create),
    PageRoute(method="GET", path="/actions/{id}/edit", answer=show_edit),
    PageRoute(method="POST", path="/actions/{id}/edit", answer=save),
)
