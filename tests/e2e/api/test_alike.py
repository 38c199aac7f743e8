"""Alike: an id that there is not, one of another profile, and one that is forbidden.

Each is answered the same, after the same statements: neither the answer nor the work
tells which it was. The application runs in this process, behind its real server.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
from sqlalchemy import Engine, event

from keyrelay.api.rights import Right
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from keyrelay.model.policy.kinds import VERBS
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import UNKNOWN, body_of, furnish, make, noun_of
from tests.e2e.api.in_process import answering_here
from tests.installed.api import Api, answering, token_of

WITH_IDS = [each for each in ROUTES if "{id}" in each.path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a caller can learn: the answer without its date, and what it took."""

    status: int
    body: str
    headers: Mapping[str, str]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A route, asked with a token of ours for ids that it must not tell apart."""

    route: Route
    token: str
    ids: Mapping[str, str]


@pytest.fixture
def cases(shared: Founded) -> Sequence[Case]:
    """Furnish two profiles, and return what to ask for in the one that is ours."""
    home = shared.home
    home.run("init", "--profile", "north", "--no-token")
    north = home.under({"KEYRELAY_PROFILE": "north"})
    with answering(north) as running:
        foreign = furnish(north, running.with_token(token_of(north, "full")))
        ours = running.with_token(shared.token)
        mine = furnish(home, ours)
        other = make(ours, "action", "other", mine)
        script = _script(ours)
    named = ["token", "create", "of one action", "--producer", "--action", other]
    producer = home.run(*named).strip()
    home.run("token", "create", "operator", "--operator")
    listed = home.read("token", "list", "--name", "operator")
    assert isinstance(listed, list)
    full = [
        Case(
            route=route,
            token=shared.token,
            ids={"unknown": UNKNOWN, "foreign": foreign[noun_of(route)]},
        )
        for route in WITH_IDS
        if route.right is not Right.SERVICES
    ]
    return [
        *full,
        *(
            Case(route=route, token=script, ids={"unknown": UNKNOWN, "none": "none"})
            for route in WITH_IDS
            if route.right is Right.SERVICES
        ),
        _forbidden(full, "DELETE /tokens/{id}", shared.token, listed[0]["id"]),
        _forbidden(full, "GET /triggers/{id}", producer, mine["triggers"]),
        *(
            replace(each, token=script, ids={**each.ids, "forbidden": mine[noun]})
            for each in full
            if each.route.governed and (noun := noun_of(each.route))
        ),
    ]


def _script(ours: Api) -> str:
    """Return the token of an analysis that may do everything to what has its tag."""
    tags = [{"key": "site", "value": "nowhere"}]
    made = ours.ask("POST", "/analysis", {"name": "script", "tags": tags})
    permissions = [
        {"effect": "allow", "action": verbs, "resource": [kind, "tag_match", "site"]}
        for kind, verbs in VERBS.items()
    ]
    policy = {"name": "script", "targets": [["analysis"]], "permissions": permissions}
    assert ours.ask("POST", "/am", policy).status == 200
    return made.field("token")


async def test_what_is_unknown_foreign_or_forbidden_is_told_alike(
    shared: Founded, cases: Sequence[Case]
) -> None:
    async with answering_here(shared.home) as client:
        told = {
            (case.route.path, case.route.method, case.token[:1]): {
                what: await ask(client, case, id_) for what, id_ in case.ids.items()
            }
            for case in cases
        }

    for name, each in told.items():
        # TagoIO takes an unknown analysis for a bad request; runs are our own.
        is_analysis = name[0].startswith("/analysis/") and "{run}" not in name[0]
        absent = 400 if is_analysis else 404
        absent = 401 if name[2] == "a" else absent
        assert each["unknown"].status == absent, name
        assert each["unknown"].statements, name
        assert len({repr(one) for one in each.values()}) == 1, (name, each)


def _forbidden(full: Sequence[Case], name: str, token: str, id_: str) -> Case:
    """Return the case of that route, for a token to which that id is forbidden."""
    (case,) = (
        each for each in full if f"{each.route.method} {each.route.path}" == name
    )
    return replace(case, token=token, ids={**case.ids, "forbidden": id_})


async def ask(client: httpx.AsyncClient, case: Case, id_: str) -> Told:
    """Ask three times; the fewest statements are those that it needs."""
    asked = [await _ask_once(client, case, id_) for _ in range(3)]
    return min(asked, key=lambda told: len(told.statements))


async def _ask_once(client: httpx.AsyncClient, case: Case, id_: str) -> Told:
    body = body_of(case.route, {"secrets": UNKNOWN, "action": UNKNOWN})
    with statements() as made:
        answer = await client.request(
            case.route.method,
            case.route.path.replace("{id}", id_),
            content=None if body is None else json.dumps(body),
            headers={"token": case.token},
        )
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return Told(
        status=answer.status_code,
        body=answer.text,
        headers=headers,
        statements=tuple(made),
    )


@contextmanager
def statements() -> Iterator[list[str]]:
    """Note the text of all statements of all engines of this process."""
    made = list[str]()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        made.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield made
    finally:
        event.remove(Engine, "before_cursor_execute", note)
