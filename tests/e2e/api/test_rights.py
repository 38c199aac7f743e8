"""Rights: every route, asked with every kind of token, and as policies govern it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import count

import pytest

from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from keyrelay.model.policy.kinds import VERBS
from keyrelay.model.token import TokenKind
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import (
    UNKNOWN,
    analysis_token,
    body_of,
    furnish,
    make,
    noun_of,
)
from tests.installed.api import Answer, Api, answering, token_of
from tests.rights import KINDS
from tests.services import deadline

DENIED = {"status": False, "message": "Authorization Denied"}
WITHIN = timedelta(seconds=20)
# Each request comes from an address of its own, which has not tried in vain yet.
BEHIND_A_PROXY = {"KEYRELAY_API_TRUSTED_PROXIES": "127.0.0.1"}
ADDRESSES = map("2001:db8:{:x}::1".format, count(1))
OF_NOBODY = {
    "none": None,
    "empty": "",
    "malformed": "secret",
    "wrong": "p-" + "x" * 36,
    "of an analysis": "a-" + "x" * 36,
}
NUMBERS = count(1)
GOVERNED = [each for each in ROUTES if each.governed is not None]


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def running(shared: Founded) -> Iterator[Api]:
    with answering(shared.home.under(BEHIND_A_PROXY)) as api:
        yield api


@pytest.fixture(scope="module")
def tokens(shared: Founded, running: Api) -> Mapping[str, str]:
    """Return the value of a token of each kind, a revoked one, and an expired one."""
    home = shared.home
    levels = {level: token_of(home, level) for level in ("read", "write", "full")}
    others = {
        kind: home.run("token", "create", kind, f"--{kind}").strip()
        for kind in ("producer", "operator")
    }
    others["analysis"] = analysis_token(home)
    revoked = token_of(home, "full")
    home.run("token", "revoke", revoked)
    expired = token_of(home, "full", "--expires", "1s")
    ended = running.with_token(expired)
    assert deadline.met(lambda: ended.get("/info").status == 401, WITHIN)
    return {**levels, **others, "revoked": revoked, "expired": expired}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("route", ROUTES, ids=[*map(named, ROUTES)])
def test_a_route_answers_the_tokens_that_have_its_right_and_no_others(
    running: Api, tokens: Mapping[str, str], route: Route, kind: str
) -> None:
    answer = _asked(running.with_token(tokens[kind]), route)

    if not route.admits(KINDS[kind]) or _is_one_thing(route, kind):
        assert (answer.status, answer.document) == (401, DENIED)
    elif route in GOVERNED and KINDS[kind].kind is TokenKind.ANALYSIS:
        assert answer.result == []
    else:
        assert answer.status != 401


@pytest.mark.parametrize("kind", [*OF_NOBODY, "revoked", "expired"])
@pytest.mark.parametrize("route", ROUTES, ids=[*map(named, ROUTES)])
def test_no_route_answers_what_is_no_token(
    running: Api, tokens: Mapping[str, str], route: Route, kind: str
) -> None:
    token = {**OF_NOBODY, **tokens}[kind]

    answer = _asked(running.with_token(token), route)

    assert (answer.status, answer.document) == (401, DENIED)


@pytest.fixture(scope="module")
def furnished(shared: Founded, running: Api) -> Mapping[str, str]:
    return furnish(shared.home, running.with_token(shared.token))


@pytest.mark.parametrize("route", GOVERNED, ids=[*map(named, GOVERNED)])
def test_a_governed_route_answers_an_analysis_for_its_own_permission_alone(
    shared: Founded, running: Api, furnished: Mapping[str, str], route: Route
) -> None:
    governed = route.governed
    assert governed is not None
    ours = (governed.kind or "secrets", governed.verb)
    full = running.with_token(shared.token)
    others = [(kind, verb) for kind in VERBS for verb in VERBS[kind]]
    others.remove(ours)

    denied = _governed(full, furnished, route, others)
    allowed = _governed(full, furnished, route, [ours])

    if _is_one_thing(route, "analysis"):
        assert (denied.status, denied.document) == (401, DENIED)
    else:
        assert denied.result == []
    assert allowed.status in {200, 202}
    assert allowed.result != []


def _governed(
    full: Api,
    ids: Mapping[str, str],
    route: Route,
    permissions: Sequence[tuple[str, str]],
) -> Answer:
    """Ask with the token of a new analysis that policies allow this alone."""
    name = f"of {next(NUMBERS)}"
    made = full.ask("POST", "/analysis", {"name": name})
    policy = {
        "name": name,
        "targets": [["analysis", "id", made.field("id")]],
        "permissions": [
            {"effect": "allow", "action": [verb], "resource": [kind]}
            for kind, verb in permissions
        ],
    }
    assert full.ask("POST", "/am", policy).status == 200
    noun = noun_of(route)
    id_ = ids.get(noun, UNKNOWN)
    if route.method == "DELETE":
        id_ = make(full, noun, f"made-{next(NUMBERS)}", ids)
    path = route.path.replace("{id}", id_).replace("{kind}", "secrets")
    if "{run}" in path:
        asked = full.ask("POST", f"/analysis/{id_}/run", {})
        path = path.replace("{run}", asked.field("run"))
    script = full.with_token(made.field("token"))
    if noun == "triggers" and id_ in path:  # only what it published itself
        own = f"own-{next(NUMBERS)}"
        script.ask("POST", "/triggers", {"id": own, "action": ids["action"]})
        path = path.replace(id_, own)
    return script.ask(route.method, path, body_of(route, ids, f"n{next(NUMBERS)}"))


def _is_one_thing(route: Route, kind: str) -> bool:
    """Tell whether an analysis asks for one thing, which may be none of its own."""
    if kind != "analysis":
        return False
    return "{id}" in route.path or (
        route.governed is not None and route.method == "POST"
    )


def _asked(api: Api, route: Route) -> Answer:
    path = route.path.replace("{id}", UNKNOWN).replace("{kind}", "secrets")
    body: object = {} if route.method in {"POST", "PUT"} else None
    return api.ask(route.method, path, body, {"x-forwarded-for": next(ADDRESSES)})
