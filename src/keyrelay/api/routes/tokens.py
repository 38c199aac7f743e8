"""Tokens: made, listed and revoked; a value is told once, when it is made."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from keyrelay.api.definition_answers import only
from keyrelay.api.described import (
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
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.model.instant import wire_date, wire_instant
from keyrelay.model.token import TokenKind, rights_document
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.token_rows import AnyToken, StoredToken, id_of
from keyrelay.stores.definitions.tokens import TokenStore
from keyrelay.stores.last_times import LastTimes
from keyrelay.stores.unreadable import UnreadableRow

# Of an operator's no route can tell, nor make one.
_KINDS = (TokenKind.PROFILE, TokenKind.PRODUCER, TokenKind.ANALYSIS)
# fmt: off
_FIELDS = (
    "id", "name", "kind", "permission", "actions", "analysis", "prefix", "created_by",
    "created_at", "expire_time", "last_authorization",
)
# fmt: on
_LIST = QueryRules(
    fields=_FIELDS,
    default_fields=_FIELDS,
    orders=("name", "created_at"),
    default_order="name",
    filters={"name": Filter.NAME},
)


async def list_tokens(asked: Asked) -> Answer:
    query = parse_query(asked.query, _LIST)
    profile = asked.caller.profile
    found = await _store(asked).list(profile, query.listing)
    times = LastTimes(database=asked.process.store.database)
    last = await times.read(profile, Noun.TOKEN, [*map(id_of, found)])
    rows = [_row(each, last.get(id_of(each))) for each in found]
    return Answer(result=[only(query.fields, row) for row in rows])


async def create_token(asked: Asked) -> Answer:
    document = await asked.body.document()
    caller = asked.caller
    made = await _store(asked).create(caller.profile, document, caller.actor)
    told = {"id": made.stored.token.id, "token": made.plaintext.reveal()}
    return Answer(result=told)


async def revoke_token(asked: Asked) -> Answer:
    caller = asked.caller
    await _store(asked).revoke(caller.profile, asked.ids["id"], caller.actor)
    return Answer(result="Successfully Removed")


def _store(asked: Asked) -> TokenStore:
    return replace(asked.process.store.definitions.tokens, kinds=_KINDS)


def _row(stored: AnyToken, last_use: datetime | None) -> Mapping[str, object]:
    match stored:
        case StoredToken(token=token):
            return {
                "id": token.id,
                "name": token.name,
                **rights_document(token.rights),
                "prefix": token.prefix,
                "created_by": stored.created_by,
                "created_at": wire_instant(stored.created_at),
                "expire_time": wire_date(token.expires_at),
                "last_authorization": wire_date(last_use),
            }
        case UnreadableRow():
            return {"id": stored.text("id"), "name": stored.text("name")}


ROUTES = (
    Route(
        method="GET",
        path="/tokens",
        right=Right.FULL,
        answer=list_tokens,
        described=described(
            "List tokens, without their values",
            list_of(named("Token")),
            parameters=paging(_LIST),
        ),
    ),
    Route(
        method="POST",
        path="/tokens",
        right=Right.FULL,
        answer=create_token,
        described=described(
            "Make a token, whose value is told this once",
            object_of({"id": TEXT, "token": TEXT}, "id", "token"),
            body=named("TokenCreate"),
        ),
    ),
    Route(
        method="DELETE",
        path="/tokens/{id}",
        right=Right.FULL,
        answer=revoke_token,
        described=described(
            "Revoke a token; within a second no process takes it",
            TEXT,
            parameters=[path_id("The token's id.")],
        ),
    ),
)
