"""Secrets: listed, made, edited and deleted; a value is taken, and never given."""

from collections.abc import Mapping
from functools import partial

from keyrelay.api.definition_answers import expected_of, only, tagged
from keyrelay.api.described import (
    IF_MATCH,
    TEXT,
    described,
    list_of,
    named,
    object_of,
    paging,
    path_id,
)
from keyrelay.api.query import Filter, QueryRules, parse_query
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.model.policy.kinds import ACCESS, CREATE, DELETE, EDIT
from keyrelay.model.secret import RESOURCE, SealedSecret
from keyrelay.services.granting import granted
from keyrelay.services.secret_documents import paused_documents, secret_document
from keyrelay.services.secret_uses import secret_uses, use_document
from keyrelay.stores.definitions.secrets import (
    SecretStore,
    StoredSecret,
    etag_of,
    id_of,
    readable,
)
from keyrelay.stores.unreadable import UnreadableRow

_PAUSED = "paused"
_LIST = QueryRules(
    fields=(
        "id",
        "key",
        "type",
        "tags",
        "version",
        "value_length",
        "created_at",
        "updated_at",
        _PAUSED,
    ),
    default_fields=("id", "key"),
    orders=("key",),
    default_order="key",
    filters={"id": Filter.ID, "key": Filter.NAME, "tags": Filter.TAGS},
)
_ID = path_id("The secret's id.")


async def list_secrets(asked: Asked) -> Answer:
    query = parse_query(asked.query, _LIST)
    caller = asked.caller
    fetch = partial(_store(asked).list, caller.profile)
    found = await granted(caller.grant, query.listing, fetch, id_of)
    paused = await _paused(asked) if _PAUSED in query.fields else {}
    rows = [{**_row(each), _PAUSED: paused.get(id_of(each))} for each in found]
    return Answer(result=[only(query.fields, row) for row in rows])


async def create_secret(asked: Asked) -> Answer:
    document = await asked.body.document()
    caller = asked.caller
    made = await _store(asked).create(caller.profile, document, caller.actor)
    return Answer(result={"id": made.secret.id}, headers=tagged(etag_of(made)))


async def show_secret(asked: Asked) -> Answer:
    found = await _store(asked).get(asked.caller.profile, asked.ids["id"])
    shown = _info(readable(found))
    paused = (await _paused(asked)).get(asked.ids["id"])
    return Answer(result={**shown, _PAUSED: paused}, headers=tagged(etag_of(found)))


async def edit_secret(asked: Asked) -> Answer:
    changes = await asked.body.document()
    caller, expected = asked.caller, expected_of(asked.headers)
    edited = await _store(asked).edit(
        caller.profile, asked.ids["id"], changes, caller.actor, expected=expected
    )
    return Answer(result="Successfully Updated", headers=tagged(etag_of(edited)))


async def delete_secret(asked: Asked) -> Answer:
    caller, expected = asked.caller, expected_of(asked.headers)
    await _store(asked).delete(
        caller.profile, asked.ids["id"], caller.actor, expected=expected
    )
    return Answer(result="Successfully Removed")


async def list_uses(asked: Asked) -> Answer:
    """Answer which actions refer to the secret, and which analyses may read it."""
    catalog, id_ = await asked.process.newest_catalog(), asked.ids["id"]
    uses = await secret_uses(_store(asked), catalog, asked.caller.profile, id_)
    return Answer(result=[*map(use_document, uses)])


async def list_pauses(asked: Asked) -> Answer:
    """Answer which secrets are paused, and why, the longest paused first."""
    store, profile = asked.process.store, asked.caller.profile
    standing = await store.pauses.standing(profile)
    secrets = asked.process.catalog.current().secrets
    paused = paused_documents(standing)
    keys = {id_: secrets.get((profile, id_)) for id_ in paused}
    listed = [
        {"secret": id_, "key": sealed and sealed.secret.key, **paused[id_]}
        for id_, sealed in keys.items()
    ]
    return Answer(result=sorted(listed, key=lambda each: str(each["since"])))


def _store(asked: Asked) -> SecretStore:
    return asked.process.store.definitions.secrets


async def _paused(asked: Asked) -> Mapping[str, Mapping[str, object]]:
    standing = await asked.process.store.pauses.standing(asked.caller.profile)
    return paused_documents(standing)


def _row(stored: StoredSecret) -> Mapping[str, object]:
    match stored:
        case SealedSecret():
            return _info(stored)
        case UnreadableRow():
            return {"id": stored.text("id"), "key": stored.text("key"), "tags": []}


def _info(sealed: SealedSecret) -> Mapping[str, object]:
    return only(_LIST.fields, secret_document(sealed))


ROUTES = (
    Route(
        method="GET",
        path="/secrets",
        right=Right.READ,
        answer=list_secrets,
        governed=governed(RESOURCE, ACCESS),
        described=described(
            "List secrets, without their values",
            list_of(named("Secret")),
            parameters=paging(_LIST),
        ),
    ),
    Route(
        method="POST",
        path="/secrets",
        right=Right.WRITE,
        answer=create_secret,
        governed=governed(RESOURCE, CREATE, is_tagged=True),
        described=described(
            "Create a secret",
            object_of({"id": TEXT}, "id"),
            body=named("SecretCreate"),
        ),
    ),
    Route(
        method="GET",
        path="/secrets/{id}",
        right=Right.READ,
        answer=show_secret,
        governed=governed(RESOURCE, ACCESS),
        described=described(
            "Show a secret, without its value", named("Secret"), parameters=[_ID]
        ),
    ),
    Route(
        method="PUT",
        path="/secrets/{id}",
        right=Right.WRITE,
        answer=edit_secret,
        governed=governed(RESOURCE, EDIT, is_tagged=True),
        described=described(
            "Replace a secret's value, its tags or both",
            TEXT,
            parameters=[_ID, IF_MATCH],
            body=named("SecretEdit"),
        ),
    ),
    Route(
        method="DELETE",
        path="/secrets/{id}",
        right=Right.WRITE,
        answer=delete_secret,
        governed=governed(RESOURCE, DELETE),
        described=described(
            "Delete a secret that no action uses", TEXT, parameters=[_ID, IF_MATCH]
        ),
    ),
    Route(
        method="GET",
        path="/secrets/{id}/uses",
        right=Right.READ,
        answer=list_uses,
        described=described(
            "List actions that refer to a secret, and analyses that may read it",
            list_of({"type": "object"}),
            parameters=[_ID],
        ),
    ),
    Route(
        method="GET",
        path="/pauses",
        right=Right.READ,
        answer=list_pauses,
        described=described(
            "List the secrets that are paused, the longest first",
            list_of({"type": "object"}),
        ),
    ),
)
