"""Generated requests: whatever is asked, the answer is one that OpenAPI's document has.

Schemathesis makes requests that fit the document, and requests that do not; some of
them have the id of a thing that there is, a good body of their route, or a token that
has not the route's right. In most of them stands a mark, which there is once: no
failure, no header and no log line may repeat it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keyrelay.api.rights import has
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import (
    MADE,
    analysis_token,
    body_of,
    furnish,
    make,
    noun_of,
)
from tests.faults.lengths import IN_FULL, REQUESTS
from tests.installed.api import Api, answering, token_of
from tests.rights import KINDS

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Of a list of triggers that do not fit some may be kept; wrong in two ways, a request
# may be refused for either.
REFUSED = {"checks": {"negative_data_rejection": {"expected-statuses": ["4xx", 207]}}}
RECORDS = "keyrelay.stores.audit.log"
KNOWN = {"action": "action", "secret": "secrets", "trigger": "triggers"}
OFTEN = st.sampled_from([True, True, False])
PLACES = ("nowhere", "header", "body", "nowhere", "query", "body", "path")
HEADERS = ("x-anything", "if-match", "idempotency-key", "content-type", "accept")


def is_stream(route: Route) -> bool:
    return "text/event-stream" in json.dumps(route.described)


ANSWERED = [route for route in ROUTES if not is_stream(route)]
OF_EACH = ceil(REQUESTS / len(ANSWERED))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One process, which has one of each noun; tokens are by kind, ids by noun."""

    api: Api
    schema: BaseSchema
    session: requests.Session
    tokens: Mapping[str, str]
    ids: Mapping[str, str]
    numbers: Iterator[int]

    def id_for(self, route: Route) -> str:
        """Return an id that there is; a new one, for what may end it."""
        noun = noun_of(route)
        if route.method == "GET" or noun not in MADE:
            return self.ids[noun]
        return make(self.api, noun, f"made-{next(self.numbers)}", self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request by a token of a kind; the mark stands somewhere in it, or nowhere.

    `mended`: what was wrong in it may have been replaced by what is right.
    """

    case: Case[Any]
    kind: str
    mark: str
    mended: bool

    @property
    def checks(self) -> list[CheckFunction]:
        return [
            each
            for each in CHECKS
            if each is not negative_data_rejection or not self.mended
        ]


@pytest.fixture(scope="module")
def world(shared: Founded) -> Iterator[World]:
    home = shared.home
    tokens = {
        **{level: token_of(home, level) for level in ("read", "write")},
        "full": shared.token,
        "analysis": analysis_token(home),
        **{
            kind: home.run("token", "create", kind, f"--{kind}").strip()
            for kind in ("producer", "operator")
        },
    }
    with answering(home) as running, requests.Session() as session:
        session.trust_env = False  # none of the machine's proxies
        api = running.with_token(shared.token)
        # Tokens are sent by the test: too many without one end in 429.
        document = {**api.get("/openapi.json").document, "security": []}
        yield World(
            api=api,
            schema=schemathesis.openapi.from_dict(
                document, config=schemathesis.Config.from_dict(REFUSED)
            ),
            session=session,
            tokens=tokens,
            ids=furnish(home, api),
            numbers=count(),
        )


@pytest.mark.parametrize(
    "route", ANSWERED, ids=[f"{each.method} {each.path}" for each in ANSWERED]
)
def test_every_answer_is_documented_and_repeats_nothing(
    world: World, route: Route
) -> None:
    asked = 0

    @settings(
        max_examples=OF_EACH,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
        deadline=None,
        database=None,
        derandomize=not IN_FULL,
    )
    @given(requests_of(world, route))
    def ask(request: Request) -> None:
        nonlocal asked
        asked += 1
        headers = {"token": world.tokens[request.kind]}
        answer = request.case.call(world.api.url, world.session, headers)
        request.case.validate_response(answer, request.checks, headers=headers)
        if not route.admits(KINDS[request.kind]):
            assert answer.status_code in {401, 414}  # 414 before tokens are read
        told = without_what_was_made(route, answer.text)
        assert request.mark not in f"{told}{answer.headers}", request.case

    ask()

    assert asked >= OF_EACH
    said = world.api.command.said
    # The records of changes name what was changed.
    assert not [line for line in said if "mark" in line and RECORDS not in line]
    assert not [line for line in said if '"level": "error"' in line]


@st.composite
def requests_of(draw: st.DrawFn, world: World, route: Route) -> Request:
    operation = world.schema[route.path][route.method]
    modes = [GenerationMode.POSITIVE]
    if operation.body or [*operation.iter_parameters()]:
        modes.append(GenerationMode.NEGATIVE)
    case = draw(operation.as_strategy(draw(st.sampled_from(modes))))
    mark = f"mark{next(world.numbers):08}"
    good: Any = body_of(route, world.ids, f"named-{mark[4:]}")
    sent = {**case.headers}
    if mended := good is not None and draw(OFTEN):
        case.body, case.media_type = good, "application/json"
    if "{id}" in route.path and draw(OFTEN):
        case.path_parameters = {**case.path_parameters, "id": world.id_for(route)}
    for name in case.query.keys() & KNOWN:
        if draw(OFTEN):
            case.query = {**case.query, name: world.ids[KNOWN[name]]}
    _put(draw, case, mark)
    mended = mended or any(case.headers[name] != sent[name] for name in sent)
    case.headers["x-noise"] = draw(st.text("abcdefgh01234567", max_size=8))
    return Request(case=case, kind=draw(kinds_for(route)), mark=mark, mended=mended)


def kinds_for(route: Route) -> st.SearchStrategy[str]:
    """Draw a kind of token, most often one that has the route's right."""
    right = next(kind for kind in ("full", *KINDS) if has(KINDS[kind], route.right))
    return st.sampled_from([*[right] * 20, *KINDS])


def _put(draw: st.DrawFn, case: Case[Any], mark: str) -> None:
    """Put the mark into the request, in a place where something stands or nothing."""
    form = draw(st.sampled_from([mark, mark * 300, f"{mark}\x00", f"*{mark}*"]))
    match draw(st.sampled_from(PLACES)):
        case "header":
            name = draw(st.sampled_from(HEADERS))
            case.headers[name] = mark
        case "query":
            name = draw(st.sampled_from(["unheard", mark, *case.query]))
            case.query = {**case.query, name: form}
        case "path" if case.path_parameters:
            name = draw(st.sampled_from([*case.path_parameters]))
            case.path_parameters = {**case.path_parameters, name: form}
        case "body" if isinstance(case.body, dict | list):
            case.body = _marked(draw, case.body, mark)
        case _:
            pass


def _marked(draw: st.DrawFn, value: Any, mark: str) -> Any:
    """Return JSON that has the mark in it, as a value or as a name."""
    match value:
        case dict():
            name = draw(st.sampled_from([mark, *value]))
            return {**value, name: _marked(draw, value.get(name), mark)}
        case list() if value:
            place = draw(st.integers(0, len(value) - 1))
            return [
                _marked(draw, each, mark) if n == place else each
                for n, each in enumerate(value)
            ]
        case _:
            forms = [mark, mark * 300, f"{mark}\n", [mark]]
            return draw(st.sampled_from([*forms, {mark: 1}]))


def without_what_was_made(route: Route, told: str) -> str:
    """Return an answer without what it must tell as it was sent.

    These are the ids of triggers, what a job is to work on, and what a preview shows.
    """
    try:
        document = json.loads(told)
    except ValueError:
        return told
    match document:
        case {"status": True} if route.path.endswith("/preview"):
            return ""
        case {"status": True, "result": {"query": _, **rest}}:
            return json.dumps({**document, "result": rest})
        case {"result": list() as results}:
            return json.dumps({**document, "result": [*map(_without_id, results)]})
        case _:
            return told


def _without_id(result: Any) -> Any:
    match result:
        case {"id": _, **rest}:
            return rest
        case _:
            return result
