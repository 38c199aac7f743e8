"""Access editing: a policy as rows of plain fields, or as JSON, with what it covers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.api.failures import FORESEEN, sentence_of, status_of
from keyrelay.console.choices import Choices, read_choices
from keyrelay.console.conflicts import is_conflict
from keyrelay.console.missing_policy import missing_policy
from keyrelay.console.own_api import ApiQuestion, Document, etag_in
from keyrelay.console.policy_rows import (
    NEW_PERMISSION,
    NEW_TARGET,
    RESOURCE_HOWS,
    TARGET_HOWS,
    TARGET_KINDS,
    Verbs,
    is_unfinished,
    rows_of,
    typed_policy,
)
from keyrelay.console.policy_words import Piece, by_row, linked, policy_words
from keyrelay.console.rendering import pretty
from keyrelay.console.visit import Moved, PageRoute, Shown, Visit
from keyrelay.model.documents import InvalidDefinition

_UNFINISHED = "complete the rows, and what they cover now stands here by name"
_FIELDS = ("name", "active", "tags", "targets", "permissions")
_NEW_ROWS: Mapping[str, object] = {
    "add-target": NEW_TARGET,
    "add-permission": NEW_PERMISSION,
}
_UNTOLD = "This policy says what rows cannot show: it is edited as JSON."


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A policy that is being written.

    `text` is its JSON as typed, where it is edited so; `failure` is why it was not
    saved, and `etag` names the stored state that it replaces.
    """

    document: Document
    text: str | None = None
    etag: str = ""
    failure: Exception | None = None


async def show_new(visit: Visit) -> Shown:
    """Show a new policy, for the action or analysis and the secret of the address."""
    draft = Draft(document=await missing_policy(visit))
    return await _editor(visit, draft, await read_choices(visit.api))


async def create(visit: Visit) -> Shown | Moved:
    choices = await read_choices(visit.api)
    draft = await _typed(visit, choices)
    if visit.form.text("do") != "save" or draft.failure is not None:
        return await _editor(visit, draft, choices)
    question = ApiQuestion(document=draft.document)
    try:
        made = await visit.api.ask("POST", "/am", question)
    except FORESEEN as failure:
        return await _editor(visit, _refused(draft, failure), choices)
    assert isinstance(made.result, Mapping)
    return Moved(path=f"/access/{made.result['am_id']}", said="created")


async def show_one(visit: Visit) -> Shown:
    document, etag = await _stored(visit)
    text = pretty(document) if visit.query.text("as") == "json" else None
    draft = Draft(document=document, text=text, etag=etag)
    return await _editor(visit, draft, await read_choices(visit.api))


async def save(visit: Visit) -> Shown | Moved:
    choices = await read_choices(visit.api)
    draft = await _typed(visit, choices)
    if visit.form.text("do") != "save" or draft.failure is not None:
        return await _editor(visit, draft, choices)
    question = ApiQuestion(
        ids=visit.ids, document=draft.document, expected=draft.etag or None
    )
    try:
        await visit.api.ask("PUT", "/am/{id}", question)
    except FORESEEN as failure:
        return await _editor(visit, _refused(draft, failure), choices)
    return Moved(path=f"/access/{visit.id}", said="saved")


async def check(visit: Visit) -> Shown:
    """Show what the policy that is being written covers, as a part of a page."""
    choices = await read_choices(visit.api)
    draft = await _typed(visit, choices)
    facts = await _covers(visit, draft, visit.form.text("id"), choices)
    return Shown(template="access/covers.html", facts=facts)


async def _editor(visit: Visit, draft: Draft, choices: Choices) -> Shown:
    verbs = await _verbs(visit)
    rows = None if draft.text is not None else rows_of(draft.document, verbs)
    id_ = visit.ids.get("id")
    facts = {
        "id": id_,
        "at": "/access/new" if id_ is None else f"/access/{id_}",
        "draft": draft,
        "rows": rows,
        "text": pretty(draft.document) if draft.text is None else draft.text,
        "unseen": _UNTOLD if rows is None and draft.text is None else None,
        "verbs": verbs,
        "target_kinds": TARGET_KINDS,
        "target_hows": TARGET_HOWS,
        "resource_hows": RESOURCE_HOWS,
        "choices": choices,
        "tag_keys": await visit.api.tag_keys("secrets"),
        "words": policy_words(draft.document, choices.names),
        **await _meanwhile(visit, draft, choices),
        **await _covers(visit, draft, id_ or "", choices),
    }
    status = 200 if draft.failure is None else status_of(draft.failure)
    return Shown(template="access/edit.html", facts=facts, status=status)


async def _typed(visit: Visit, choices: Choices) -> Draft:
    """Return what the form tells, with a row more or in another form, as it asks."""
    form, etag = visit.form, visit.form.text("etag")
    if form.has("document"):
        text = form.whole("document")
        try:
            document = _read(text)
        except InvalidDefinition as fault:
            return Draft(document={}, text=text, etag=etag, failure=fault)
        is_text = form.text("do") != "as-rows"
        return Draft(document=document, text=text if is_text else None, etag=etag)
    document = typed_policy(form, await _verbs(visit), choices.ids)
    if (row := _NEW_ROWS.get(form.text("do"))) is not None:
        field = f"{form.text('do').removeprefix('add-')}s"
        document = {**document, field: [*_list(document[field]), row]}
    as_text = pretty(document) if form.text("do") == "as-json" else None
    return Draft(document=document, text=as_text, etag=etag)


async def _covers(visit: Visit, draft: Draft, id_: str, choices: Choices) -> Document:
    """Return what the API names, or why it names nothing."""
    document = {**draft.document, **({"id": id_} if id_ else {})}
    question = ApiQuestion(document=document)
    known = {each.id: Piece(text=each.name, path=each.path) for each in choices.offered}
    if is_unfinished(draft.document):
        return {"coverage": None, "why_not": _UNFINISHED}
    try:
        if draft.failure is not None and not draft.document:
            raise draft.failure
        found = (await visit.api.ask("POST", "/am/preview", question)).result
    except FORESEEN as failure:
        return {"coverage": None, "why_not": by_row(sentence_of(failure))}
    assert isinstance(found, Mapping)
    remarks = [[*linked(str(each), known)] for each in _list(found["remarks"])]
    return {"coverage": found, "remarks": remarks, "why_not": None}


async def _meanwhile(visit: Visit, draft: Draft, choices: Choices) -> Document:
    """Return what was wrong, and what another person stored since the form was shown.

    The form then has the etag of that, so that it is replaced knowingly.
    """
    failure = draft.failure
    told = None if failure is None else sentence_of(failure)
    sentence = by_row(told) if told and draft.text is None else told
    if failure is None or not is_conflict(failure):
        return {"sentence": sentence, "etag": draft.etag, "theirs": None}
    sentence = "It was changed meanwhile, and nothing was saved."
    document, etag = await _stored(visit)
    theirs = {
        "name": document.get("name"),
        "words": policy_words(document, choices.names),
        "text": pretty(document),
    }
    return {"sentence": sentence, "etag": etag, "theirs": theirs}


async def _stored(visit: Visit) -> tuple[Document, str]:
    found = await visit.api.ask("GET", "/am/{id}", visit.of_id())
    policy = found.result
    assert isinstance(policy, Mapping)
    document = {field: policy[field] for field in _FIELDS if field in policy}
    return document, etag_in(found)


async def _verbs(visit: Visit) -> Verbs:
    """Return what each kind can be permitted, as the API tells it."""
    match await visit.api.result("/am/settings"):
        case {"settings": {"analysis": dict(kinds)}}:
            return {
                kind: [each["value"] for each in verbs] for kind, verbs in kinds.items()
            }
        case _:
            return {}


def _read(text: str) -> Document:
    """Raises InvalidDefinition."""
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise InvalidDefinition(f"this is no JSON: {fault}") from None
    if not isinstance(document, dict):
        raise InvalidDefinition("a policy is a JSON object")
    return document


def _refused(draft: Draft, failure: Exception) -> Draft:
    return Draft(
        document=draft.document, text=draft.text, etag=draft.etag, failure=failure
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


_ONE = "/access/{id}"

PAGES = (
    PageRoute(method="GET", path="/access/new", answer=show_new),
    PageRoute(method="POST", path="/access/new", answer=create),
    PageRoute(method="POST", path="/access/check", answer=check),
    PageRoute(method="GET", path=_ONE, answer=show_one),
    PageRoute(method="POST", path=_ONE, answer=save),
)
