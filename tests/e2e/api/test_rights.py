"""Rights: every route, asked with every kind of token."""

from collections.abc import Iterator, Mapping

import pytest

from keyrelay.api.rights import has
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from tests.e2e.api.conftest import Founded
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.home import Home
from tests.rights import KINDS

DENIED = {"status": False, "message": "Authorization Denied"}
UNKNOWN = "0" * 24
OF_NOBODY = {
    "none": None,
    "empty": "",
    "malformed": "secret",
    "wrong": "p-" + "x" * 36,
    "of an analysis": "a-" + "x" * 36,
}
SMTP = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "u",
    "password": "p",
}
POLICY = {
    "name": "alarms",
    "targets": [["action"]],
    "permissions": [{"effect": "allow", "action": ["access"], "resource": ["secrets"]}],
}
WITH_IDS = [each for each in ROUTES if "{id}" in each.path]


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def action_for(secret: str) -> Mapping[str, object]:
    mail = {
        "from": "a@example.com",
        "to": "b@example.com",
        "subject": "s",
        "message": "m",
    }
    return {
        "name": "alarm",
        "action": {"type": "email-smtp", **mail, "message": "m", "smtp_secret": secret},
    }


def first_of(listed: object) -> str:
    assert isinstance(listed, list)
    return str(listed[0]["id"])


@pytest.fixture(scope="module")
def home_of_all(shared: Founded) -> Home:
    shared.home.run("init", "--profile", "north", "--no-token")
    return shared.home


@pytest.fixture(scope="module")
def running(home_of_all: Home) -> Iterator[Api]:
    with answering(home_of_all) as api:
        yield api


@pytest.fixture(scope="module")
def tokens(home_of_all: Home) -> Mapping[str, str]:
    """Return the value of a token of each kind, and one that was revoked."""
    home = home_of_all
    levels = {level: token_of(home, level) for level in ("read", "write", "full")}
    others = {
        kind: home.run("token", "create", kind, f"--{kind}").strip()
        for kind in ("producer", "operator")
    }
    revoked = token_of(home, "full")
    home.run("token", "revoke", revoked)
    return {**levels, **others, "revoked": revoked}


@pytest.fixture(scope="module")
def foreign(home_of_all: Home, running: Api) -> Mapping[str, str]:
    """Return the ids of things of another profile, by the first part of their path."""
    north = home_of_all.under({"KEYRELAY_PROFILE": "north"})
    secret = north.create_secret("mail", "smtp", SMTP)
    action = north.create("action", action_for(secret))
    # No policy releases its secret yet.
    north.run("trigger", "publish", "--action", action, "--id", "buried")
    north.run("worker", "--drain")
    north.run("trigger", "publish", "--action", action, "--id", "waits")
    api = running.with_token(token_of(north, "write"))
    return {
        "secrets": secret,
        "action": action,
        "am": north.create("policy", POLICY),
        "tokens": first_of(north.read("token", "list")),
        "audit": first_of(north.read("audit", "list")),
        "jobs": api.ask("POST", "/audit/verify", {}).field("id"),
        "triggers": "waits",
        "dead-letters": "buried",
    }


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


@pytest.mark.parametrize("kind", [*OF_NOBODY, "revoked"])
@pytest.mark.parametrize("route", ROUTES, ids=[*map(named, ROUTES)])
def test_no_route_answers_what_is_no_token(
    running: Api, tokens: Mapping[str, str], route: Route, kind: str
) -> None:
    token = {**OF_NOBODY, **tokens}[kind]

    answer = _asked(running.with_token(token), route)

    if answer.status != 429:  # after many tries
        assert (answer.status, answer.document) == (401, DENIED)


@pytest.mark.parametrize("route", WITH_IDS, ids=[*map(named, WITH_IDS)])
def test_an_id_of_another_profile_answers_as_one_that_there_is_not(
    running: Api, tokens: Mapping[str, str], foreign: Mapping[str, str], route: Route
) -> None:
    api = running.with_token(tokens["full"])

    of_nobody = _asked(api, route, UNKNOWN)
    of_another = _asked(api, route, foreign[route.path.split("/")[1]])

    assert (of_another.status, of_another.document) == (
        of_nobody.status,
        of_nobody.document,
    )


def _asked(api: Api, route: Route, id_: str = UNKNOWN) -> Answer:
    path = route.path.replace("{id}", id_).replace("{kind}", "secrets")
    body: object = {} if route.method in {"POST", "PUT"} else None
    return api.ask(route.method, path, body)
