"""Policies against a reference that reads documents with no pattern, rule or index."""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import FrameType

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.pattern import words
from keyrelay.model.policy.policy import (
    Allowance,
    Code,
    Explanation,
    Permit,
    allows,
    decide,
    explain,
    index,
    permits,
)
from keyrelay.model.policy.policy import Policy as Parsed
from keyrelay.model.policy.policy_document import parse_policy, require_possible
from keyrelay.model.policy.reach import reach_of
from keyrelay.model.secret import Secret
from keyrelay.model.tags import Tag, Tagged
from tests.samples import sealed


def numbered(number: int) -> str:
    return f"{number:024x}"


@dataclass(frozen=True, kw_only=True)
class Permission:
    effect: str
    verbs: list[str]
    resource: list[str]


@dataclass(frozen=True, kw_only=True)
class Policy:
    profile: str
    active: bool
    targets: list[list[str]]
    permissions: list[Permission]


def parsed(policy: Policy, number: int) -> Parsed:
    document = {
        "name": f"Policy {number}",
        "active": policy.active,
        "targets": policy.targets,
        "permissions": [
            {"effect": each.effect, "action": each.verbs, "resource": each.resource}
            for each in policy.permissions
        ],
    }
    return parse_policy(document, numbered(number), policy.profile)


def is_matched(words: list[str], thing: Tagged, target: Tagged) -> bool:
    if {"secret": "secrets"}.get(words[0], words[0]) != thing.kind:
        return False
    carried = {tag.key: tag.value for tag in thing.tags}
    match words[1:]:
        case ["id", id_]:
            return id_ == thing.id
        case ["tag.key", key, "tag.value", value]:
            return carried.get(key) == value
        case ["tag_match", key]:
            wanted = [tag.value for tag in target.tags if tag.key == key]
            return [carried.get(key)] == wanted
        case _:
            return True


def effects(
    policies: Sequence[Policy], target: Tagged, resource: Tagged, verb: str
) -> set[str]:
    found: set[str] = set()
    for policy in policies:
        if not policy.active or policy.profile != target.profile:
            continue
        if not any(is_matched(words, target, target) for words in policy.targets):
            continue
        for permission in policy.permissions:
            if verb in permission.verbs and is_matched(
                permission.resource, resource, target
            ):
                found.add(permission.effect)
    return found


def reference(
    policies: Sequence[Policy], target: Tagged, resource: Tagged, verb: str
) -> Code | None:
    if target.profile != resource.profile:
        return Code.OTHER_PROFILE
    found = effects(policies, target, resource, verb)
    if "deny" in found:
        return Code.DENIED_BY_POLICY
    return None if "allow" in found else Code.NO_POLICY


# Few words, so that policies and things meet.
KEYS = st.sampled_from(["a", "b", "A"])
VALUES = st.sampled_from(["x", "y"])
IDS = st.integers(1, 2).map(numbered)
PROFILES = st.sampled_from(["p", "p", "p", "q"])
VERBS = st.sampled_from(["access", "create"])


def tuples(*kinds: str) -> st.SearchStrategy[list[str]]:
    kind = st.sampled_from(kinds)
    return st.one_of(
        st.builds(lambda kind: [kind], kind),
        st.builds(lambda kind, id_: [kind, "id", id_], kind, IDS),
        st.builds(
            lambda kind, key, value: [kind, "tag.key", key, "tag.value", value],
            kind,
            KEYS,
            VALUES,
        ),
        st.builds(lambda kind, key: [kind, "tag_match", key], kind, KEYS),
    )


def things(*kinds: str) -> st.SearchStrategy[Tagged]:
    tags = st.lists(
        st.builds(Tag, KEYS, VALUES), max_size=2, unique_by=lambda tag: tag.key
    )
    return st.builds(
        Tagged,
        kind=st.sampled_from(kinds),
        profile=PROFILES,
        id=IDS,
        tags=tags.map(tuple),
    )


PERMISSIONS = st.builds(
    Permission,
    effect=st.sampled_from(["allow", "allow", "deny"]),
    verbs=st.lists(VERBS, max_size=2),
    resource=tuples("secrets", "secret"),
)
POLICIES = st.lists(
    st.builds(
        Policy,
        profile=PROFILES,
        active=st.sampled_from([True, True, False]),
        targets=st.lists(tuples("action", "analysis"), max_size=3),
        permissions=st.lists(PERMISSIONS, max_size=3),
    ),
    max_size=5,
)
TARGETS = things("action", "analysis")
SECRETS = things("secrets")


def code_of(explanation: Explanation) -> Code | None:
    return None if isinstance(explanation, Allowance) else explanation.code


@given(policies=POLICIES, target=TARGETS, resource=SECRETS, verb=VERBS)
def test_the_index_decides_as_reading_every_document_would(
    policies: list[Policy], target: Tagged, resource: Tagged, verb: str
) -> None:
    expected = reference(policies, target, resource, verb)
    event(str(expected))

    compiled = index(parsed(policy, n) for n, policy in enumerate(policies))

    assert code_of(explain(compiled, target, resource, verb)) == expected


@given(policies=POLICIES, target=TARGETS, resources=st.lists(SECRETS, max_size=6))
def test_many_secrets_are_permitted_together_as_each_would_be(
    policies: list[Policy], target: Tagged, resources: list[Tagged]
) -> None:
    compiled = index(parsed(policy, n) for n, policy in enumerate(policies))
    secrets = [
        sealed(
            Secret(
                id=each.id,
                profile=each.profile,
                key="k",
                type="text",
                version=1,
                tags=each.tags,
            )
        )
        for each in resources
    ]

    alone = [decide(compiled, target, secret) for secret in secrets]

    expected = [each for each in alone if isinstance(each, Permit)]
    assert permits(compiled, target, secrets) == expected


@given(policies=POLICIES, target=TARGETS, resource=SECRETS, verb=VERBS)
def test_what_is_reached_is_what_is_permitted(
    policies: list[Policy], target: Tagged, resource: Tagged, verb: str
) -> None:
    resource = replace(resource, profile=target.profile)
    allowed = reference(policies, target, resource, verb) is None
    event(str(allowed))

    compiled = index(parsed(policy, n) for n, policy in enumerate(policies))
    reach = reach_of(compiled, target, verb, "secrets")

    assert allows(compiled, target, verb, resource) == allowed
    assert reach.includes(resource) == allowed
    assert not (reach.is_empty and allowed)


# What is at TagoIO alone, beside what is here, in one policy.
ELSEWHERE_TOO = st.builds(
    Policy,
    profile=PROFILES,
    active=st.sampled_from([True]),
    targets=st.lists(tuples("action", "run_user", "device"), min_size=1, max_size=3),
    permissions=st.lists(
        st.builds(
            Permission,
            effect=st.sampled_from(["allow", "deny"]),
            verbs=st.lists(VERBS, min_size=1, max_size=2),
            resource=tuples("device", "file"),
        ),
        min_size=1,
        max_size=3,
    ),
)


@given(
    policies=POLICIES, kept=ELSEWHERE_TOO, target=TARGETS, resource=SECRETS, verb=VERBS
)
def test_a_policy_about_what_is_not_here_changes_no_decision(
    policies: list[Policy], kept: Policy, target: Tagged, resource: Tagged, verb: str
) -> None:
    ordered = [parsed(policy, n) for n, policy in enumerate(policies)]

    before = explain(index(ordered), target, resource, verb)
    after = explain(
        index([parsed(kept, len(ordered)), *ordered]), target, resource, verb
    )

    assert code_of(after) == code_of(before)
    if code_of(before) is None:
        assert after == before


WORDS = st.sampled_from(
    ["secrets", "action", "device", "id", numbered(1), "tag.key", "tag_match", "a", ""]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WORDS, st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=8,
)
ANY_PERMISSION = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {
            "effect": st.sampled_from(["allow", "deny", "Deny"]),
            "action": st.lists(st.one_of(VERBS, ANYTHING), max_size=3),
            "resource": st.one_of(st.lists(WORDS, max_size=6), ANYTHING),
        }
    ),
)
ANY_DOCUMENT = st.fixed_dictionaries(
    {
        "name": st.one_of(st.just("n"), ANYTHING),
        "targets": st.one_of(st.lists(st.lists(WORDS, max_size=6), max_size=3)),
        "permissions": st.lists(ANY_PERMISSION, max_size=3),
    }
)


@given(document=ANY_DOCUMENT)
def test_any_document_is_accepted_or_refused(document: dict[str, object]) -> None:
    try:
        read = parse_policy(document, numbered(1), "p")
        require_possible(read)
    except InvalidDefinition:
        event("refused")
        return
    event("accepted")
    written = [list(words(pattern)) for pattern in read.targets]
    assert written == document["targets"]


@given(
    policies=POLICIES,
    target=TARGETS,
    resource=SECRETS,
    shuffled=st.randoms(use_true_random=False),
)
def test_no_order_of_policies_changes_the_explanation(
    policies: list[Policy], target: Tagged, resource: Tagged, shuffled: random.Random
) -> None:
    ordered = [parsed(policy, n) for n, policy in enumerate(policies)]
    reordered = shuffled.sample(ordered, len(ordered))

    before = explain(index(ordered), target, resource)
    after = explain(index(reordered), target, resource)

    assert after == before


def work_of(act: Callable[[], object]) -> int:
    """Count the instructions that Python carries out for `act`."""
    count = 0

    def trace(frame: FrameType, what: str, _: object) -> object:
        nonlocal count
        frame.f_trace_opcodes = True
        count += what == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]  # typeshed wants itself back
    try:
        act()
    finally:
        sys.settrace(before)
    return count


TARGET = Tagged(kind="action", profile="p", id=numbered(1), tags=(Tag("a", "x"),))
SECRET = Tagged(kind="secrets", profile="p", id=numbered(1), tags=(Tag("a", "x"),))


def allowing(target: list[str], resource: list[str], number: int) -> Parsed:
    allow = Permission(effect="allow", verbs=["access"], resource=resource)
    policy = Policy(profile="p", active=True, targets=[target], permissions=[allow])
    return parsed(policy, number)


MINE = allowing(["action"], ["secrets"], 1)


def others(count: int, *target: str) -> list[Parsed]:
    """Return policies for that target, about secrets that no trigger uses."""
    return [
        allowing(list(target), ["secrets", "id", numbered(number)], number)
        for number in range(2, count + 2)
    ]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(("action", "id", numbered(2)), id="another target"),
        pytest.param(("action",), id="the same target"),
    ],
)
@pytest.mark.parametrize("own", [[MINE], []], ids=["allowed", "denied"])
def test_ten_thousand_policies_about_others_cost_nothing(
    target: tuple[str, ...], own: list[Parsed]
) -> None:
    few = index([*own, *others(100, *target)])
    many = index([*own, *others(10_000, *target)])

    work = work_of(lambda: explain(few, TARGET, SECRET))

    assert work > 0
    assert work_of(lambda: explain(many, TARGET, SECRET)) == work
