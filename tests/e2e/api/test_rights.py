"""Rights: every route, asked with every kind of token."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count

import pytest

from keyrelay.api.rights import has
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import UNKNOWN, analysis_token
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

    if has(KINDS[kind], route.right):
        assert answer.status != 401
    else:
        assert (answer.status, answer.document) == (401, DENIED)


@pytest.mark.parametrize("kind", [*OF_NOBODY, "revoked", "expired"])
@pytest.mark.parametrize("route", ROUTES, ids=[*map(named, ROUTES)])
def test_no_route_answers_what_is_no_token(
    running: Api, tokens: Mapping[str, str], route: Route, kind: str
) -> None:
    token = {**OF_NOBODY, **tokens}[kind]

    answer = _asked(running.with_token(token), route)

    assert (answer.status, answer.document) == (401, DENIED)


def _asked(api: Api, route: Route) -> Answer:
    path = route.path.replace("{id}", UNKNOWN).replace("{kind}", "secrets")
    body: object = {} if route.method in {"POST", "PUT"} else None
    return api.ask(route.method, path, body, {"x-forwarded-for": next(ADDRESSES)})
