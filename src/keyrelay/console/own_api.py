"""Own API: pages ask the API's own routes, with their visitor's token.

So no page can do what that person's token could not, and what it does is limited and
recorded as a program's request is.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.types import ASGIApp

from keyrelay.api.failures import Denied
from keyrelay.api.governing import answer_of
from keyrelay.api.route import Answer, Asked, Bearer, RequestBody, Route
from keyrelay.app.api import ApiProcess
from keyrelay.console.recent import RecentAttempts

Routes = Mapping[tuple[str, str], Route]
Document = Mapping[str, object]


def by_path(routes: Iterable[Route]) -> Routes:
    return {(route.method, route.path): route for route in routes}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiQuestion:
    """What a route is asked beside its path; `expected` is an etag."""

    ids: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()
    document: Document | None = None
    expected: str | None = None


_PLAIN = ApiQuestion()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnApi:
    """The API's first client; `caller` is the visitor, whose requests these are.

    `recent` is kept for all visitors together.
    """

    routes: Routes
    process: ApiProcess
    caller: Bearer
    recent: RecentAttempts

    def may(self, method: str, path: str) -> bool:
        """Tell whether the visitor's token is one that this route answers."""
        return self.routes[method, path].admits(self.caller.token.rights)

    async def ask(
        self, method: str, path: str, question: ApiQuestion = _PLAIN
    ) -> Answer:
        """Return what the route answers. Raises Denied, and as the route does."""
        route = self.routes[method, path]
        if not route.admits(self.caller.token.rights):
            raise Denied
        expected = question.expected
        asked = Asked(
            caller=self.caller,
            ids=question.ids,
            query=urlencode(question.query),
            headers={} if expected is None else {"if-match": f'"{expected}"'},
            body=_body(question.document),
            process=self.process,
        )
        answer = await answer_of(route, asked)
        return answer if isinstance(answer, Answer) else _document_of(answer)

    async def result(self, path: str, question: ApiQuestion = _PLAIN) -> Document:
        """Return the one document that GET answers. Raises as `ask`."""
        result = (await self.ask("GET", path, question)).result
        assert isinstance(result, Mapping)
        return result

    async def results(
        self, path: str, question: ApiQuestion = _PLAIN
    ) -> Sequence[Document]:
        """Return the list that GET answers. Raises as `ask`."""
        result = (await self.ask("GET", path, question)).result
        assert isinstance(result, list)
        return result

    async def tag_keys(self, kind: str) -> object:
        """Return the keys of all tags that things of a kind carry. Raises as `ask`."""
        question = ApiQuestion(ids={"kind": kind})
        return (await self.ask("GET", "/tags/keys/{kind}", question)).result


def etag_in(answer: Answer) -> str:
    """Return the etag of the state that a route has answered."""
    return answer.headers["ETag"].strip('"')


def _document_of(raw: ASGIApp) -> Answer:
    """Return the document of an answer that a route wrote itself.

    That of `POST /triggers` is one also where no trigger was accepted.
    """
    assert isinstance(raw, Response), "a stream is no document"
    told = json.loads(bytes(raw.body))
    return Answer(
        result=told["result"], status=raw.status_code, message=told.get("message")
    )


def _body(document: Document | None) -> RequestBody:
    sent = b"" if document is None else json.dumps(document).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield sent

    return RequestBody(chunks)
