from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from keyrelay.model.policy.policy import (
    Allowance,
    Code,
    Denial,
    Permit,
    Policy,
    decide,
    explain,
    index,
)
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.model.policy.reach import reach_of
from keyrelay.model.secret import SealedSecret, Secret
from keyrelay.model.tags import Tag, Tagged

Document = Mapping[str, object]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def numbered(number: int) -> str:
    return f"{number:024x}"


def target_of(
    number: int = 1, *tags: Tag, kind: str = "action", profile: str = "p"
) -> Tagged:
    return Tagged(kind=kind, profile=profile, id=numbered(number), tags=tags)


def secret_of(number: int = 1, *tags: Tag, profile: str = "p") -> SealedSecret:
    secret = Secret(
        id=numbered(number),
        profile=profile,
        key="mail",
        type="text",
        version=1,
        tags=tags,
    )
    return SealedSecret(
        secret=secret,
        envelope=b"sealed",
        value_length=6,
        fifo=False,
        created_at=NOON,
        updated_at=NOON,
    )


def permission(
    *resource: str, effect: str = "allow", verbs: tuple[str, ...] = ("access",)
) -> Document:
    return {"effect": effect, "action": list(verbs), "resource": list(resource)}


ALLOW = permission("secrets")
DENY = permission("secrets", effect="deny")


def policy(
    number: int,
    *permissions: Document,
    targets: tuple[tuple[str, ...], ...] = (("action",),),
    active: bool = True,
    profile: str = "p",
) -> Policy:
    document = {
        "name": f"Policy {number}",
        "active": active,
        "targets": [list(target) for target in targets],
        "permissions": list(permissions),
    }
    return parse_policy(document, numbered(number), profile)


SITE = Tag("site", "north")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((), id="any"),
        pytest.param(("id", numbered(1)), id="id"),
        pytest.param(("tag.key", "site", "tag.value", "north"), id="tag"),
        pytest.param(("tag_match", "site"), id="tag match"),
    ],
)
def test_each_shape_of_tuple_permits_what_it_matches(words: tuple[str, ...]) -> None:
    targets = (("action", *words),)
    policies = index([policy(5, permission("secrets", *words), targets=targets)])
    sealed = secret_of(1, SITE)

    found = decide(policies, target_of(1, SITE), sealed)

    assert found == Permit(sealed, numbered(5))


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("id", numbered(2)), id="other id"),
        pytest.param(("tag.key", "site", "tag.value", "South"), id="other value"),
        pytest.param(("tag.key", "Site", "tag.value", "north"), id="other case"),
        pytest.param(("tag.key", "north", "tag.value", "site"), id="swapped"),
        pytest.param(("tag_match", "env"), id="other key"),
    ],
)
@pytest.mark.parametrize("side", ["target", "resource"])
def test_what_a_tuple_does_not_match_is_denied(
    words: tuple[str, ...], side: str
) -> None:
    on_target, on_resource = (words, ()) if side == "target" else ((), words)
    permission_ = permission("secrets", *on_resource)
    policies = index([policy(5, permission_, targets=(("action", *on_target),))])

    found = decide(policies, target_of(1, SITE), secret_of(1, SITE))

    assert isinstance(found, Denial)
    assert found.code is Code.NO_POLICY


def test_tag_match_follows_the_targets_value() -> None:
    policies = index([policy(5, permission("secrets", "tag_match", "site"))])
    north, south = secret_of(1, SITE), secret_of(2, Tag("site", "south"))

    assert isinstance(decide(policies, target_of(1, SITE), north), Permit)
    assert isinstance(decide(policies, target_of(1, SITE), south), Denial)
    assert isinstance(decide(policies, target_of(1), north), Denial)


def test_what_tag_match_reaches_is_of_the_targets_tag_with_that_key() -> None:
    policies = index([policy(5, permission("secrets", "tag_match", "site"))])
    target = target_of(1, Tag("role", "mailer"), SITE)

    reach = reach_of(policies, target, "access", "secrets")

    assert reach.allowed.tags == {SITE}
    assert reach_of(policies, target_of(1), "access", "secrets").is_empty


def test_an_analysis_is_a_target_like_an_action() -> None:
    policies = index([policy(5, ALLOW, targets=(("analysis",),))])
    sealed = secret_of()

    assert decide(policies, target_of(kind="analysis"), sealed) == Permit(
        sealed, numbered(5)
    )
    assert isinstance(decide(policies, target_of(kind="action"), sealed), Denial)


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param([], id="no policy"),
        pytest.param([policy(5, ALLOW, targets=())], id="no targets"),
        pytest.param([policy(5)], id="no permissions"),
        pytest.param([policy(5, permission("secrets", verbs=()))], id="no verbs"),
        pytest.param([policy(5, permission("secrets", verbs=("edit",)))], id="verb"),
        pytest.param([policy(5, ALLOW, active=False)], id="inactive"),
        pytest.param([policy(5, ALLOW, profile="q")], id="another profile's policy"),
    ],
)
def test_what_nothing_allows_is_denied(policies: list[Policy]) -> None:
    found = decide(index(policies), target_of(), secret_of())

    assert isinstance(found, Denial)
    assert found.code is Code.NO_POLICY


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param([policy(5, ALLOW, DENY)], id="later in the policy"),
        pytest.param([policy(5, DENY, ALLOW)], id="earlier in the policy"),
        pytest.param([policy(4, ALLOW), policy(5, DENY)], id="in a later policy"),
        pytest.param([policy(5, DENY), policy(6, ALLOW)], id="in an earlier policy"),
        pytest.param(
            [
                policy(4, permission("secrets", "id", numbered(1))),
                policy(5, DENY, targets=(("action", "tag_match", "site"),)),
            ],
            id="in vaguer words",
        ),
    ],
)
def test_deny_beats_allow_in_any_policy(policies: list[Policy]) -> None:
    found = decide(index(policies), target_of(1, SITE), secret_of())

    reason = (
        f'policy "Policy 5" ({numbered(5)}) forbids that'
        f" action {numbered(1)} access secret {numbered(1)}"
    )
    assert found == Denial(Code.DENIED_BY_POLICY, reason, policy=numbered(5))


def test_an_inactive_deny_denies_nothing() -> None:
    policies = index([policy(4, ALLOW), policy(5, DENY, active=False)])

    assert isinstance(decide(policies, target_of(), secret_of()), Permit)


def test_a_denied_verb_leaves_the_others_allowed() -> None:
    deny = permission("secrets", effect="deny", verbs=("edit", "delete"))
    policies = index([policy(4, ALLOW), policy(5, deny)])

    assert isinstance(decide(policies, target_of(), secret_of()), Permit)


@pytest.mark.parametrize("profile", ["p", "q"], ids=["asker's", "owner's"])
def test_no_policy_reaches_into_another_profile(profile: str) -> None:
    policies = index([policy(5, ALLOW, profile=profile)])

    found = decide(policies, target_of(1), secret_of(2, profile="q"))

    assert found == Denial(
        Code.OTHER_PROFILE,
        f"secret {numbered(2)} is not of the profile of action {numbered(1)}",
    )


def test_each_verb_is_asked_for_by_its_name() -> None:
    policies = index([policy(5, permission("secrets", verbs=("create", "edit")))])
    resource = secret_of().secret.tagged

    answers = {
        verb: isinstance(explain(policies, target_of(), resource, verb), Allowance)
        for verb in ("access", "create", "edit", "delete")
    }

    assert answers == {"access": False, "create": True, "edit": True, "delete": False}


@pytest.mark.parametrize(
    ("others", "named"),
    [
        pytest.param([policy(6, ALLOW), policy(5, ALLOW)], 5, id="oldest"),
        pytest.param(
            [policy(4, ALLOW), policy(5, permission("secrets", "id", numbered(2)))],
            5,
            id="closest",
        ),
    ],
)
def test_an_allowance_names_one_policy(others: list[Policy], named: int) -> None:
    found = explain(index(others), target_of(1), secret_of(2).secret.tagged)

    assert found == Allowance(
        f'policy "Policy {named}" ({numbered(named)}) lets'
        f" action {numbered(1)} access secret {numbered(2)}",
        policy=numbered(named),
    )
