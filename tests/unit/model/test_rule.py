"""What an explanation says of the policies that nearly allowed it."""

from collections.abc import Mapping, Sequence

import pytest

from keyrelay.model.policy.policy import Denial, Policy, explain, index
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.model.tags import Tag, Tagged


def numbered(number: int) -> str:
    return f"{number:024x}"


TARGET = Tagged(
    kind="action", profile="p", id=numbered(1), tags=(Tag("site", "north"),)
)
SECRET = Tagged(
    kind="secrets",
    profile="p",
    id=numbered(2),
    tags=(Tag("env", "test"), Tag("site", "south")),
)


def policy(
    number: int,
    target: Sequence[str],
    resource: Sequence[str],
    verbs: Sequence[str] = ("access",),
    **other: object,
) -> Policy:
    allow = {"effect": "allow", "action": list(verbs), "resource": list(resource)}
    document: Mapping[str, object] = {
        "name": "Mail",
        "targets": [list(target)],
        "permissions": [allow],
        **other,
    }
    return parse_policy(document, numbered(number), "p")


def misses(*policies: Policy) -> tuple[str, ...]:
    found = explain(index(policies), TARGET, SECRET)
    assert isinstance(found, Denial)
    return found.misses


NAMED = f'policy "Mail" ({numbered(5)})'
ACTION, ITS_SECRET = f"action {numbered(1)}", f"secret {numbered(2)}"


@pytest.mark.parametrize(
    ("near", "why"),
    [
        pytest.param(
            policy(5, ["action"], ["secrets"], active=False),
            "is inactive",
            id="inactive",
        ),
        pytest.param(
            policy(5, ["run_user"], ["secrets"]),
            'is for ["run_user"], a kind that matches nothing here',
            id="target at TagoIO",
        ),
        pytest.param(
            policy(5, ["action"], ["device", "tag_match", "a"]),
            'is about ["device", "tag_match", "a"], a kind that matches nothing here',
            id="resource at TagoIO",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets"], ["edit", "create"]),
            "gives create, edit, not access",
            id="other verbs",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets"], []),
            "gives nothing, not access",
            id="no verbs",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "tag.key", "env", "tag.value", "prod"]),
            'is about ["secrets", "tag.key", "env", "tag.value", "prod"],'
            f" but {ITS_SECRET} has env=test",
            id="other value",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "tag.key", "team", "tag.value", "é"]),
            'is about ["secrets", "tag.key", "team", "tag.value", "é"],'
            f" but {ITS_SECRET} has no tag team",
            id="no such tag",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "tag_match", "site"]),
            'is about ["secrets", "tag_match", "site"],'
            f" but {ITS_SECRET} has site=south and {ACTION} has site=north",
            id="values that differ",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "tag_match", "env"]),
            'is about ["secrets", "tag_match", "env"],'
            f" but {ITS_SECRET} has env=test and {ACTION} has no tag env",
            id="a value that only one has",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "id", numbered(9)]),
            f'is about ["secrets", "id", "{numbered(9)}"], but this is {ITS_SECRET}',
            id="other secret",
        ),
        pytest.param(
            policy(5, ["action", "tag_match", "env"], ["secrets"]),
            f'is for ["action", "tag_match", "env"], but {ACTION} has no tag env',
            id="target without the tag",
        ),
        pytest.param(
            policy(5, ["analysis", "tag_match", "site"], ["secrets"]),
            f'is for ["analysis", "tag_match", "site"], but this is {ACTION}',
            id="other kind of target",
        ),
        pytest.param(
            policy(
                5, ["action"], ["secrets", "tag_match", "x"], ["edit"], active=False
            ),
            f'is inactive and is about ["secrets", "tag_match", "x"], but {ITS_SECRET}'
            f" has no tag x and {ACTION} has no tag x and gives edit, not access",
            id="all at once",
        ),
    ],
)
def test_a_near_miss_says_all_that_is_wrong_with_it(near: Policy, why: str) -> None:
    found = explain(index([near]), TARGET, SECRET)

    assert isinstance(found, Denial)
    assert found.misses == (f"{NAMED} {why}",)
    assert found.reason == (
        f"no policy lets {ACTION} access {ITS_SECRET}; the nearest: {NAMED} {why}"
    )


def test_without_a_near_miss_the_reason_says_so() -> None:
    found = explain(index([]), TARGET, SECRET)

    assert isinstance(found, Denial)
    assert found.reason == (
        f"no policy lets {ACTION} access {ITS_SECRET}; none comes near it"
    )


OTHER_ENV = ["tag.key", "env", "tag.value", "prod"]


@pytest.mark.parametrize(
    ("far", "near"),
    [
        pytest.param(
            policy(5, ["action"], ["secrets"], ["edit"], active=False),
            policy(6, ["action"], ["secrets"], active=False),
            id="two things rather than one",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", *OTHER_ENV], ["edit"]),
            policy(6, ["action"], ["secrets", "id", numbered(9)]),
            id="a verb and a value rather than an id",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", *OTHER_ENV], active=False),
            policy(6, ["action"], ["secrets", "id", numbered(9)]),
            id="a switch and a value rather than an id",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", "id", numbered(9)]),
            policy(6, ["action"], ["secrets", *OTHER_ENV]),
            id="an id rather than a value",
        ),
        pytest.param(
            policy(5, ["analysis", "tag_match", "site"], ["secrets"]),
            policy(6, ["action"], ["secrets", *OTHER_ENV]),
            id="a kind rather than a value",
        ),
        pytest.param(
            policy(5, ["action"], ["secrets", *OTHER_ENV]),
            policy(6, ["action"], ["secrets"], active=False),
            id="a value rather than a switch",
        ),
    ],
)
def test_what_would_have_to_change_more_is_named_later(
    far: Policy, near: Policy
) -> None:
    found = misses(far, near)

    assert [numbered(6) in miss for miss in found] == [True, False]


def test_no_more_than_three_are_named() -> None:
    several = [policy(n, ["action"], ["secrets"], ["edit"]) for n in range(5, 10)]

    found = misses(*several)

    assert [numbered(n) in miss for n, miss in enumerate(found, 5)] == [True] * 3


def test_many_other_policies_do_not_hide_the_nearest() -> None:
    others = [numbered(n) for n in range(100, 200)]
    crowd = [
        *(
            policy(n, ["action"], ["secrets", "id", id_])
            for n, id_ in enumerate(others)
        ),
        *(
            policy(n, ["action", "id", id_], ["secrets"])
            for n, id_ in enumerate(others)
        ),
    ]
    inactive = policy(999, ["action"], ["secrets"], active=False)

    assert misses(*crowd, inactive)[0].endswith(f"({numbered(999)}) is inactive")


def test_one_policy_is_one_miss_however_often_it_misses() -> None:
    twice = policy(
        5,
        ["action"],
        ["secrets"],
        targets=[
            ["action", "id", numbered(8)],
            ["action"],
            ["action", "tag_match", "x"],
        ],
        active=False,
    )

    assert misses(twice) == (f"{NAMED} is inactive",)


def test_a_deny_that_does_not_apply_is_no_miss() -> None:
    deny = {"effect": "deny", "action": ["access"], "resource": ["secrets"]}

    assert misses(policy(5, ["action"], [], active=False, permissions=[deny])) == ()


def test_a_policy_about_neither_is_no_miss() -> None:
    elsewhere = policy(5, ["action", "id", numbered(8)], ["secrets", "id", numbered(9)])

    assert misses(elsewhere) == ()


def test_another_profiles_policies_are_never_named() -> None:
    document = {
        "name": "Theirs",
        "active": False,
        "targets": [["action"]],
        "permissions": [
            {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
        ],
    }

    assert misses(parse_policy(document, numbered(5), "q")) == ()


def test_many_permissions_on_what_is_not_here_hide_no_near_miss() -> None:
    device = {"effect": "allow", "action": ["access"], "resource": ["device"]}
    imported = {**device, "action": ["edit"]}
    crowd = policy(3, ["action"], ["device"], permissions=[device, imported] * 50)
    near = policy(5, ["action"], ["secrets", "id", numbered(9)])

    assert misses(crowd, near)[0].startswith(NAMED)
