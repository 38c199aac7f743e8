"""Documents: routes of actions and policies, which are stored as they were sent."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic

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
from keyrelay.api.query import QueryRules, parse_query
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route, governed
from keyrelay.app.api import ApiProcess
from keyrelay.model.instant import wire_instant
from keyrelay.model.policy.kinds import ACCESS, CREATE, DELETE, EDIT
from keyrelay.services.granting import granted
from keyrelay.stores.definitions.document_kind import D
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.stored_document import AnyStored, StoredDocument, id_of
from keyrelay.stores.unreadable import UnreadableRow, require_readable

Info = Mapping[str, object]
Answering = Callable[[Asked], Awaitable[Answer]]

# As TagoIO answers what was created without them.
_UNLESS_SENT: Info = {"active": True, "tags": []}

_ID = path_id("The id of the definition.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAnswers:
    """What answers each of the five routes."""

    list: Answering
    info: Answering
    create: Answering
    edit: Answering
    delete: Answering


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentNames:
    """What the wire calls them: all of them, the schema, a text.

    `told` is what is told of a new one, its id first. Each row of a list has the fields
    in `always`. `kind` is what policies call them; None, they cannot name them.
    """

    many: str
    schema: str
    title: str
    told: Sequence[str]
    always: Sequence[str] = ()
    kind: str | None = None


async def _nothing(_: Asked, __: Sequence[str]) -> Mapping[str, Info]:
    return {}


def _as_sent(_: Asked, stored: StoredDocument) -> Info:
    return stored.document


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRoutes(Generic[D]):
    """The five routes of one noun.

    `shown` makes of a document, stored as it was sent, what the caller is answered;
    `beside` returns, by id, what is kept beside the documents; `remarks` are sentences
    on one that will do less than it says.
    """

    store: Callable[[ApiProcess], DocumentStore[D]]
    rules: QueryRules
    names: DocumentNames
    remarks: Callable[[Asked, StoredDocument], Awaitable[Sequence[str]]]
    shown: Callable[[Asked, StoredDocument], Info] = _as_sent
    beside: Callable[[Asked, Sequence[str]], Awaitable[Mapping[str, Info]]] = _nothing

    @property
    def answers(self) -> DocumentAnswers:
        return DocumentAnswers(
            list=self.list,
            info=self.info,
            create=self.create,
            edit=self.edit,
            delete=self.delete,
        )

    def routes(
        self, path: str, change: Right, answers: DocumentAnswers | None = None
    ) -> Sequence[Route]:
        """Return the routes below `path`; what changes anything asks for `change`.

        `answers` are those of a noun that does some of it in its own way.
        """
        answers = answers or self.answers
        return (*self._reading(path, answers), *self._changing(path, change, answers))

    def _reading(self, path: str, answers: DocumentAnswers) -> Sequence[Route]:
        schema = named(self.names.schema)
        return (
            Route(
                method="GET",
                path=path,
                right=Right.READ,
                answer=answers.list,
                governed=governed(self.names.kind, ACCESS),
                described=described(
                    f"List {self.names.many}",
                    list_of(schema),
                    parameters=paging(self.rules),
                ),
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                right=Right.READ,
                answer=answers.info,
                governed=governed(self.names.kind, ACCESS),
                described=described(
                    f"Show one of the {self.names.many}", schema, parameters=[_ID]
                ),
            ),
        )

    def _changing(
        self, path: str, change: Right, answers: DocumentAnswers
    ) -> Sequence[Route]:
        told = object_of(dict.fromkeys(self.names.told, TEXT), *self.names.told)
        given, one = self.names.schema, f"{path}/{{id}}"
        created = described(
            f"Create one of the {self.names.many}", told, body=named(f"{given}Create")
        )
        edited = described(
            "Replace the fields that are given",
            TEXT,
            parameters=[_ID, IF_MATCH],
            body=named(f"{given}Edit"),
        )
        deleted = described("Delete it", TEXT, parameters=[_ID, IF_MATCH])
        return tuple(
            Route(
                method=method,
                path=at,
                right=change,
                answer=answer,
                described=operation,
                governed=governed(self.names.kind, verb, is_tagged=verb != DELETE),
            )
            for method, at, verb, answer, operation in (
                ("POST", path, CREATE, answers.create, created),
                ("PUT", one, EDIT, answers.edit, edited),
                ("DELETE", one, DELETE, answers.delete, deleted),
            )
        )

    async def list(self, asked: Asked) -> Answer:
        query = parse_query(asked.query, self.rules)
        caller = asked.caller
        fetch = partial(self.store(asked.process).list, caller.profile)
        found = await granted(caller.grant, query.listing, fetch, id_of)
        fields = (*self.names.always, *query.fields)
        beside = await self.beside(asked, [*map(id_of, found)])
        return Answer(
            result=[
                only(fields, {**self._row(asked, each), **beside.get(id_of(each), {})})
                for each in found
            ]
        )

    async def create(self, asked: Asked) -> Answer:
        document = await asked.body.document()
        store, caller = self.store(asked.process), asked.caller
        stored = await store.create(caller.profile, document, caller.actor)
        return await self._done(asked, stored, {self.names.told[0]: stored.id})

    async def info(self, asked: Asked) -> Answer:
        id_, profile = asked.ids["id"], asked.caller.profile
        store = self.store(asked.process)
        stored = require_readable(await store.get(profile, id_), store.kind.noun)
        beside = await self.beside(asked, [id_])
        shown = {**self._info(asked, stored), **beside.get(id_, {})}
        return await self._done(asked, stored, shown)

    async def edit(self, asked: Asked) -> Answer:
        changes = await asked.body.document()
        store, caller = self.store(asked.process), asked.caller
        expected = expected_of(asked.headers)
        stored = await store.edit(
            caller.profile, asked.ids["id"], changes, caller.actor, expected=expected
        )
        done = f"{self.names.title} Successfully Updated"
        return await self._done(asked, stored, done)

    async def delete(self, asked: Asked) -> Answer:
        store, caller = self.store(asked.process), asked.caller
        expected = expected_of(asked.headers)
        await store.delete(
            caller.profile, asked.ids["id"], caller.actor, expected=expected
        )
        return Answer(result="Successfully Removed")

    async def _done(
        self, asked: Asked, stored: StoredDocument, result: object
    ) -> Answer:
        remarks = await self.remarks(asked, stored)
        return Answer(
            result=result,
            message="; ".join(remarks) or None,
            headers=tagged(stored.etag),
        )

    def _row(self, asked: Asked, stored: AnyStored) -> Info:
        match stored:
            case UnreadableRow():
                return {
                    "id": stored.text("id"),
                    "name": stored.text("name"),
                    "profile": asked.caller.profile,
                    "tags": [],
                    "unreadable": stored.reason,
                }
            case _:
                return self._info(asked, stored)

    def _info(self, asked: Asked, stored: StoredDocument) -> Info:
        return {
            "id": stored.id,
            "profile": asked.caller.profile,
            **_UNLESS_SENT,
            **self.shown(asked, stored),
            "created_at": wire_instant(stored.created_at),
            "updated_at": wire_instant(stored.updated_at),
        }
