"""Access management, through both of TagoIO's clients: each call, list and failure."""

import json
from collections.abc import Mapping

import pytest

from tests.sdk.client import Sdk, last
from tests.sdk.test_secrets import INSTANT, TAGS, UNKNOWN

UPDATED = "Access Management Successfully Updated"
NOT_FOUND = "Access Management Not Found"


def allowing(resource: list[str], *actions: str, effect: str = "allow") -> object:
    return {"effect": effect, "action": [*actions], "resource": resource}


def a_policy(name: str) -> dict[str, object]:
    return {
        "name": name,
        "targets": [["analysis", "id", UNKNOWN]],
        "permissions": [allowing(["secrets"], "access")],
    }


def created(sdk: Sdk, document: Mapping[str, object]) -> str:
    made = sdk.document("access.create", document)
    assert made.keys() == {"am_id"}
    return str(made["am_id"])


def test_a_policy_comes_back_as_it_was_sent(sdk: Sdk, mark: str) -> None:
    sent = {
        "name": mark,
        "active": False,
        "tags": TAGS,
        "targets": [
            ["analysis"],
            ["analysis", "id", UNKNOWN],
            ["action", "tag.key", "site", "tag.value", "here"],
            ["action", "tag_match", "site"],
        ],
        "permissions": [
            allowing(["secrets"], "access", "create", "edit", "delete"),
            allowing(["secret", "id", UNKNOWN], "access"),
            allowing(["secrets", "tag.key", "a", "tag.value", "b"], "access"),
            allowing(["analysis", "tag_match", "site"], "run_analysis"),
            allowing(["action"], "trigger", effect="deny"),
        ],
    }

    id_ = created(sdk, sent)
    info = sdk.document("access.info", id_)

    assert len(id_) == 24
    assert {name: info[name] for name in sent} == sent
    assert info["id"] == id_
    assert INSTANT.fullmatch(str(info["created_at"]))
    assert INSTANT.fullmatch(str(info["updated_at"]))


def test_a_policy_is_active_and_untagged_unless_it_says_otherwise(
    sdk: Sdk, mark: str
) -> None:
    info = sdk.document("access.info", created(sdk, a_policy(mark)))

    assert (info["active"], info["tags"]) == (True, [])


def test_an_edit_replaces_targets_and_permissions_whole(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, a_policy(mark) | {"tags": TAGS})
    changes = {"targets": [["action"]], "permissions": []}

    text = sdk.call("access.edit", id_, changes)
    info = sdk.document("access.info", id_)

    assert text == UPDATED
    assert {name: info[name] for name in changes} == changes
    assert (info["name"], info["tags"]) == (mark, TAGS)


def test_a_whole_info_is_sent_back_and_makes_a_duplicate(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, a_policy(mark) | {"tags": TAGS})
    before = sdk.document("access.info", id_)

    assert sdk.call("access.edit", id_, last({"active": False})) == UPDATED
    after = sdk.document("access.info", id_)
    copy = created(sdk, last({"name": f"{mark}-copy"}))
    duplicate = sdk.document("access.info", copy)

    assert after == {**before, "active": False, "updated_at": after["updated_at"]}
    own = {name: duplicate[name] for name in ("id", "name", "created_at", "updated_at")}
    assert duplicate == after | own
    assert duplicate["id"] != id_


def test_a_policy_is_deleted(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, a_policy(mark))

    assert sdk.call("access.delete", id_) == "Successfully Removed"
    assert sdk.refusal("access.info", id_) == NOT_FOUND


@pytest.fixture
def four(sdk: Sdk, mark: str) -> Mapping[str, str]:
    """The ids of four policies, by the last letter of their names."""
    site = {"key": "site", "value": mark}
    sent: Mapping[str, Mapping[str, object]] = {
        "B": {"name": f"{mark} B", "active": False, "tags": [site]},
        "a": {"name": f"{mark} a", "tags": [site, *TAGS]},
        "d": {"name": f"{mark} d", "tags": TAGS},
        "c": {"name": f"x {mark} c"},
    }
    return {
        letter: created(sdk, a_policy(letter) | dict(document))
        for letter, document in sent.items()
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "aBdc"),
        ({"orderBy": ["name", "desc"]}, "cdBa"),
        ({"orderBy": ["created_at", "asc"]}, "Badc"),
        ({"orderBy": ["created_at", "desc"]}, "cdaB"),
        ({"orderBy": ["updated_at", "desc"], "amount": 1}, "c"),
        ({"orderBy": ["active", "asc"], "amount": 1}, "B"),
        ({"amount": 3}, "aBd"),
        ({"amount": 3, "page": 2}, "c"),
        ({"filter": {"name": "mark*"}}, "aBd"),
        ({"filter": {"active": False}}, "B"),
        ({"filter": {"active": True}}, "adc"),
        ({"filter": {"tags": [{"key": "site", "value": "mark"}]}}, "aB"),
    ],
    ids=str,
)
def test_policies_are_listed_by_filter_order_and_page(
    sdk: Sdk, mark: str, four: Mapping[str, str], asked: dict[str, object], found: str
) -> None:
    query = json.loads(json.dumps(asked).replace("mark", mark))
    query.setdefault("filter", {}).setdefault("name", f"*{mark}*")

    rows = sdk.rows("access.list", query)

    assert [row["id"] for row in rows] == [four[letter] for letter in found]


def test_a_policy_is_listed_by_its_id(sdk: Sdk, four: Mapping[str, str]) -> None:
    rows = sdk.rows("access.list", {"filter": {"id": four["c"]}})

    assert [row["id"] for row in rows] == [four["c"]]


def test_rows_never_hold_targets_or_permissions(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, a_policy(mark) | {"tags": TAGS})
    mine = {"filter": {"name": mark}}
    fields = ["active", "targets", "permissions"]

    (row,) = sdk.rows("access.list", mine)
    (asked,) = sdk.rows("access.list", mine | {"fields": fields})

    profile = sdk.document("access.info", id_)["profile"]
    always = {"id": id_, "tags": TAGS, "profile": profile}
    assert row == {**always, "name": mark}
    assert asked == {**always, "active": True}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "name must have 1 to 100 characters"),
        ({"active": "yes"}, "active must be true or false"),
        ({"targets": [["analysis", "id"]]}, "targets[0]"),
        ({"targets": [[]]}, "targets[0]"),
        ({"targets": [["weather"]]}, "targets[0]"),
        ({"targets": [["analysis", "tag.key", "a"]]}, "targets[0]"),
        ({"targets": "analysis"}, "targets must be a list"),
        ({"permissions": [allowing(["weather"], "access")]}, "permissions[0]"),
        ({"permissions": [allowing(["secrets"], "eat")]}, "permissions[0]"),
        (
            {"permissions": [allowing(["secrets"], "access", effect="maybe")]},
            "permissions[0]",
        ),
        (
            {"permissions": [allowing(["secrets", "id", UNKNOWN], "create")]},
            "permissions[0] is about create by id",
        ),
        ({"colour": "red"}, "a policy has no field"),
    ],
    ids=str,
)
def test_a_policy_that_breaks_a_rule_is_refused_with_the_rule(
    sdk: Sdk, mark: str, changes: Mapping[str, object], why: str
) -> None:
    id_ = created(sdk, a_policy(mark))
    before = sdk.document("access.info", id_)

    on_create = sdk.refusal("access.create", a_policy(mark) | dict(changes))
    on_edit = sdk.refusal("access.edit", id_, changes)

    assert on_create.startswith(why)
    assert on_edit.startswith(why)
    assert sdk.document("access.info", id_) == before


def test_an_info_lists_what_is_allowed_before_what_is_denied(
    sdk: Sdk, mark: str
) -> None:
    deny = allowing(["secrets"], "delete", effect="deny")
    allow = allowing(["secrets"], "access")
    id_ = created(sdk, a_policy(mark) | {"permissions": [deny, allow]})

    assert sdk.document("access.info", id_)["permissions"] == [allow, deny]


def test_the_settings_tell_what_policies_can_govern(sdk: Sdk) -> None:
    if sdk.name == "javascript":
        pytest.skip("this client has nothing to ask for them with")
    settings = sdk.document("access.settings")

    assert settings.keys() == {"resources", "settings"}
    resources = settings["resources"]
    assert isinstance(resources, dict)
    assert {"analysis", "action", "secrets"} <= resources.keys()
    assert all("label" in resource for resource in resources.values())


@pytest.mark.parametrize("id_", [UNKNOWN, "x"])
def test_what_is_not_there_is_said_so(sdk: Sdk, id_: str) -> None:
    assert sdk.refusal("access.info", id_) == NOT_FOUND
    assert sdk.refusal("access.edit", id_, {"name": "x"}) == NOT_FOUND
    assert sdk.refusal("access.delete", id_) == NOT_FOUND


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"amount": 10_001}, "amount must be a whole number from 1 to 10000"),
        ({"page": -1}, "page must be a whole number from 1"),
        ({"orderBy": ["tags", "asc"]}, "orderBy must be one of name, "),
        ({"filter": {"targets": "x"}}, "filter must be one of id, name, active, tags"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_is_refused(
    sdk: Sdk, query: Mapping[str, object], why: str
) -> None:
    assert sdk.refusal("access.list", query).startswith(why)
