"""Governing: an analysis is answered what policies allow it, and is denied all else.

It stands before every route, so that none can forget it; a list narrows itself to what
the grant reaches, by `granted`.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.types import ASGIApp

from keyrelay.api.definition_answers import expected_of
from keyrelay.api.failures import Denied
from keyrelay.api.route import Answer, Asked, Governed, RequestBody, Route
from keyrelay.model.documents import parse_document
from keyrelay.model.policy.kinds import ANALYSIS, DELETE, EDIT, VERBS
from keyrelay.model.secret import RESOURCE
from keyrelay.model.tags import parse_tags
from keyrelay.services.granting import Grant, grant_of
from keyrelay.stores.definitions import secrets, stored_document
from keyrelay.stores.refusals import NotFound, require_expected


async def answer_of(route: Route, asked: Asked) -> Answer | ASGIApp:
    """Answer a caller that the route admits. Raises Denied, and as the route does."""
    governed, analysis = route.governed, asked.caller.token.rights.analysis
    if analysis is None:
        return await route.answer(asked)
    try:
        if governed is not None:
            asked = await _allowed(governed, analysis, asked)
        return await route.answer(asked)
    except NotFound:
        # An id that there is not is told like one that it may not know of.
        raise Denied from None


async def _allowed(governed: Governed, analysis: str, asked: Asked) -> Asked:
    """Return what is asked with its grant, pinned to what was decided about."""
    kind, verb = governed.kind or asked.ids["kind"], governed.verb
    if verb not in VERBS.get(kind, ()):
        raise Denied
    id_ = None if governed.is_asked else asked.ids.get("id")
    changes = verb in (EDIT, DELETE)
    # Before the catalog, which is then no older: what changes after that is Outdated.
    etag = await _etag(asked, kind, asked.ids["id"]) if changes else None
    catalog = await asked.process.newest_catalog()
    grant = grant_of(catalog, asked.caller.profile, analysis, kind, verb)
    if grant is None or (id_ is not None and not grant.permits(id_)):
        raise Denied
    if governed.is_tagged:
        asked = await _with_allowed_tags(grant, asked)
    if changes:
        asked = _pinned(asked, etag)
    return replace(asked, caller=replace(asked.caller, grant=grant))


async def _with_allowed_tags(grant: Grant, asked: Asked) -> Asked:
    """Return what is asked, if the thing may be what its body makes of it."""
    id_ = asked.ids.get("id")
    if id_ is None and grant.reach.is_empty:
        raise Denied
    raw = await asked.body.read()
    document = parse_document(raw)
    if id_ is None or "tags" in document:
        tags = parse_tags(document.get("tags", []))
        if not grant.permits_tagged(tags, id_ or ""):
            raise Denied

    async def again() -> AsyncIterator[bytes]:
        yield raw

    return replace(asked, body=RequestBody(again))


async def _etag(asked: Asked, kind: str, id_: str) -> str | None:
    """Return the etag of the thing as it is stored; None, there is none."""
    definitions, profile = asked.process.store.definitions, asked.caller.profile
    try:
        if kind == RESOURCE:
            return secrets.etag_of(await definitions.secrets.get(profile, id_))
        if kind == ANALYSIS:
            documents = definitions.analyses.documents
            return stored_document.etag_of(await documents.get(profile, id_))
    except NotFound:
        return None  # decided as one is that there is: after the same statements
    return None


def _pinned(asked: Asked, etag: str | None) -> Asked:
    """Return what is asked as an edit of the state with this etag, and of no other."""
    if etag is None:
        raise Denied
    require_expected(expected_of(asked.headers), etag, "it")
    return replace(asked, headers={**asked.headers, "if-match": f'"{etag}"'})
