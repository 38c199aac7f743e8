from collections.abc import Mapping

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.kinds import ELSEWHERE
from keyrelay.model.policy.pattern import OfKind
from keyrelay.model.policy.policy import Policy
from keyrelay.model.policy.policy_document import (
    allows_first,
    kinds_elsewhere,
    parse_policy,
    require_possible,
)
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
            "action must list some of access, create, edit, delete, as it is about"
            ' "secrets"',
            id="unknown action",
        ),
        pytest.param(
            one_permission(action=["run_analysis"]),
            "action must list some of access, create, edit, delete, as",
            id="what is done to others",
        ),
        pytest.param(
            one_permission(resource=["action"]),
            'must list some of access, trigger, as it is about "action"',
            id="action of a trigger",
        ),
        pytest.param(
            one_permission(action=["upload"], resource=["analysis"]),
            "some of access, create, edit, delete, run_analysis, as",
            id="action of an analysis",
        ),
        pytest.param(
            one_permission(action=["access"] * 51), "at most 50", id="many actions"
        ),
        pytest.param(
            one_permission(action=["access", 1], resource=["device"]),
            r"each word of permissions\[0\].action must be a string",
            id="a number for an action elsewhere",
        ),
        pytest.param(
            one_permission(resource=["device", "id"]),
            r'resource must be \["device"\], \["device", "id", id\]',
            id="malformed tuple of another kind",
        ),
        pytest.param(
            one_permission(resource=["devise"]),
            r'must begin with "secrets" or "analysis" or "action"; kept, and matching'
            " nothing here: access_management, .*, device, .*, template",
            id="kind of nobody",
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


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_policy_may_be_about_what_is_at_tagoio_alone(kind: str) -> None:
    document = {
        **POLICY,
        "targets": [[kind, "tag_match", "site"], ["action"]],
        "permissions": [ALLOW, {**ALLOW, "action": ["any word"], "resource": [kind]}],
    }

    read = parse_policy(document, ID, "p")

    assert kinds_elsewhere(read) == (kind,)
    require_possible(read)


def test_a_policy_about_what_is_here_names_no_other_kinds() -> None:
    assert kinds_elsewhere(parse_policy(POLICY, ID, "p")) == ()


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize("kind", ["secrets", "secret", "analysis"])
def test_to_create_by_id_is_refused_and_stays_readable(kind: str, effect: str) -> None:
    verbs = ["access", "create"]
    by_id = {"effect": effect, "action": verbs, "resource": [kind, "id", ID]}
    stored = parse_policy({**POLICY, "permissions": [ALLOW, by_id]}, ID, "p")

    with pytest.raises(InvalidDefinition, match=r"permissions\[1\] is about create by"):
        require_possible(stored)


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": ["secrets", "id", ID]},
        {"action": ["create"], "resource": ["secrets", "tag_match", "site"]},
        {"action": ["create"], "resource": ["device", "id", ID]},
    ],
)
def test_what_may_match_some_day_is_accepted(changes: Document) -> None:
    require_possible(parse_policy({**POLICY, **one_permission(**changes)}, ID, "p"))


def test_allows_are_listed_before_denials_in_the_order_they_were_sent() -> None:
    first, second = ALLOW, {**ALLOW, "action": ["edit"]}
    deny, other = {**ALLOW, "effect": "deny"}, {**second, "effect": "deny"}
    sent = {**POLICY, "permissions": [deny, first, other, second]}

    listed = allows_first(sent)

    assert listed == {**POLICY, "permissions": [first, second, deny, other]}
    assert sent["permissions"] == [deny, first, other, second]


@pytest.mark.parametrize("document", [{}, {"permissions": None}, {"permissions": [3]}])
def test_what_no_policy_holds_is_left_as_it_is(document: Document) -> None:
    assert allows_first(document) == document
