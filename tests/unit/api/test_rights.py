"""Rights: which tokens may call a route, as the documentation's table has it."""

import pytest

from keyrelay.api.rights import Right, has
from keyrelay.api.routes import ROUTES
from tests.rights import KINDS, PAGE, page

MAY = {
    Right.KNOWN: {"read", "write", "full", "producer", "operator", "analysis"},
    Right.READ: {"read", "write", "full"},
    Right.WRITE: {"write", "full"},
    Right.FULL: {"full"},
    Right.PUBLISH: {"write", "full", "producer"},
    Right.FOLLOW: {"read", "write", "full", "producer"},
    Right.VERIFY: {"write", "full", "operator"},
    Right.FINDINGS: {"read", "write", "full", "operator"},
    Right.OPERATE: {"operator"},
    Right.SERVICES: {"analysis"},
    Right.LISTEN: {"read", "write", "full", "analysis"},
}


@pytest.mark.parametrize("right", [*Right])
def test_a_right_is_had_by_these_tokens_and_no_others(right: Right) -> None:
    having = {name for name, rights in KINDS.items() if has(rights, right)}

    assert having == MAY[right]


# What policies must allow an analysis; every other route denies it, but those that
# answer any token.
GOVERNED = {
    "POST /triggers": ("action", "trigger"),
    "GET /triggers/{id}": ("action", "trigger"),
    "GET /secrets": ("secrets", "access"),
    "POST /secrets": ("secrets", "create"),
    "GET /secrets/{id}": ("secrets", "access"),
    "PUT /secrets/{id}": ("secrets", "edit"),
    "DELETE /secrets/{id}": ("secrets", "delete"),
    "GET /tags/keys/{kind}": (None, "access"),
    "GET /action": ("action", "access"),
    "GET /action/{id}": ("action", "access"),
    "GET /analysis": ("analysis", "access"),
    "GET /analysis/{id}": ("analysis", "access"),
    "POST /analysis": ("analysis", "create"),
    "PUT /analysis/{id}": ("analysis", "edit"),
    "DELETE /analysis/{id}": ("analysis", "delete"),
    "POST /analysis/{id}/upload": ("analysis", "edit"),
    "GET /analysis/{id}/download": ("analysis", "edit"),
    "POST /analysis/{id}/run": ("analysis", "run_analysis"),
    "GET /analysis/{id}/runs": ("analysis", "access"),
    "GET /analysis/{id}/runs/{run}": ("analysis", "access"),
}
BODIES_WITH_TAGS = {
    *("POST /secrets", "PUT /secrets/{id}", "POST /analysis", "PUT /analysis/{id}"),
}


def test_every_route_is_governed_by_policies_or_denied_to_analyses() -> None:
    rights = KINDS["analysis"]
    admitting = {
        f"{route.method} {route.path}": route.governed
        for route in ROUTES
        if route.admits(rights) and not has(rights, route.right)
    }

    found = {name: each for name, each in admitting.items() if each is not None}
    assert {name: (each.kind, each.verb) for name, each in found.items()} == GOVERNED
    assert found.keys() == admitting.keys()
    assert {name for name, each in found.items() if each.is_tagged} == BODIES_WITH_TAGS


def test_policies_open_a_route_to_analyses_alone() -> None:
    for route in ROUTES:
        for name, rights in KINDS.items():
            assert name == "analysis" or route.admits(rights) == has(
                rights, route.right
            )


def test_the_documentation_has_the_table_that_the_api_obeys() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.rights`"
