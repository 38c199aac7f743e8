from collections.abc import Mapping

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.pattern import OfKind
from keyrelay.model.policy.policy import Policy, parse_policy
from keyrelay.model.policy.rule import Effect, Permission
from keyrelay.model.tags import Tag, Tagged

Document = Mapping[str, object]
ALLOW = {"effect": "allow", "action": ["access", "edit"], "resource": ["secret"]}
POLICY = {"name": "Mail", "targets": [["action"]], "permissions": [ALLOW]}
ID = "65f0c0ffee65f0c0ffee0001"


def test_a_policy_is_read_with_its_tags_and_identity() -> None:
    tags = [{"key": "site", "value": "north"}]

    read = parse_policy({**POLICY, "tags": tags}, ID, "p")

    assert read == Policy(
        tagged=Tagged(kind="policy", profile="p", id=ID, tags=(Tag("site", "north"),)),
        name="Mail",
        active=True,
        targets=(OfKind("action"),),
        permissions=(
            Permission(
                effect=Effect.ALLOW,
                verbs=frozenset({"access", "edit"}),
                resource=OfKind("secrets"),
            ),
        ),
    )


def one_permission(**changes: object) -> Document:
    return {"permissions": [{**ALLOW, **changes}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": ""}, "name must have 1 to 100", id="no name"),
        pytest.param({"name": "a\u200bb"}, "invisible", id="look-alike"),
        pytest.param({"active": 1}, "active must be true or false", id="active"),
        pytest.param({"tags": {}}, "tags must be a list", id="tags"),
        pytest.param({"profile": "q"}, "no field 'profile'", id="unknown field"),
        pytest.param({"targets": None}, "targets must be a list", id="no targets"),
        pytest.param(
            {"targets": [["action"]] * 101}, "at most 100 entries", id="many targets"
        ),
        pytest.param(
            {"targets": ["action"]}, r"targets\[0\] must be a list", id="flat targets"
        ),
        pytest.param(
            {"targets": [["action"], ["secrets"]]},
            r'targets\[1\] must begin with "action" or "analysis"',
            id="secret as target",
        ),
        pytest.param({"permissions": {}}, "permissions must be a list", id="object"),
        pytest.param(
            {"permissions": [[]]}, r"permissions\[0\] must be an object", id="list"
        ),
        pytest.param(
            one_permission(effect="Allow"), "effect must be allow or deny", id="effect"
        ),
        pytest.param(
            one_permission(action="access"), "action must be a list", id="flat action"
        ),
        pytest.param(
            one_permission(action=["*"]),
            "action must list some of access, create, edit, delete",
            id="unknown action",
        ),
        pytest.param(
            one_permission(action=[["access"]]), "must list some of", id="nested action"
        ),
        pytest.param(
            one_permission(resource=[["secrets"]]),
            r'permissions\[0\].resource must begin with "secrets"',
            id="list of resources",
        ),
        pytest.param(one_permission(when="now"), "no field 'when'", id="extra field"),
    ],
)
def test_a_malformed_policy_is_refused(changes: Document, message: str) -> None:
    with pytest.raises(InvalidDefinition, match=message):
        parse_policy({**POLICY, **changes}, ID, "p")
