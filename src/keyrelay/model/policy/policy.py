"""Policy: decides whether a target may use a secret.

The vault opens a secret only for a `Permit`, and only `decide` makes one, so that no
secret is opened before the decision.

Nothing here raises on parsed values. If a bug raises all the same, no permit exists,
and the worker's catch-all cannot open a secret.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice

from keyrelay.model.policy.kinds import ACCESS
from keyrelay.model.policy.pattern import Pattern
from keyrelay.model.policy.rule import (
    Effect,
    Permission,
    Question,
    Rule,
    named,
    nearest_misses,
)
from keyrelay.model.secret import SealedSecret
from keyrelay.model.tags import Tagged

POLICY = "policy"  # the kind of thing a policy itself is

# How many rules of one target, or of one resource, are searched for near misses, so
# that many denied triggers do not slow the others.
_SEARCHED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Each permission holds for each target; without either it matches nothing."""

    tagged: Tagged
    name: str
    active: bool
    targets: tuple[Pattern, ...]
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True)
class Permit:
    """`policy` allowed the release of exactly this sealed secret."""

    sealed: SealedSecret
    policy: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """`policy` allows it. Unlike a Permit, this opens no secret."""

    reason: str
    policy: str


class Code(StrEnum):
    """Why it is denied."""

    NO_POLICY = "no-policy"
    DENIED_BY_POLICY = "denied-by-policy"
    OTHER_PROFILE = "other-profile"


@dataclass(frozen=True, slots=True)
class Denial:
    """`policy` denies it, or none allows it; the nearest of the `misses` is first."""

    code: Code
    reason: str
    policy: str | None = None
    misses: tuple[str, ...] = ()


Explanation = Allowance | Denial
Rules = Mapping[Pattern, Mapping[Pattern, Sequence[Rule]]]

_NOTHING: Mapping[Pattern, Sequence[Rule]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyIndex:
    """The rules of one profile, by target then resource, and the other way round.

    Inactive ones are in it so that explanations can name them; they decide nothing.
    """

    by_target: Rules
    by_resource: Rules


def index(policies: Iterable[Policy]) -> PolicyIndex:
    """Return the rules of these policies, which are of one profile."""
    ordered = sorted(policies, key=lambda policy: policy.tagged.id)
    rules = [rule for policy in ordered for rule in _rules(policy)]
    # Those that match nothing come last, where the search for near misses may end.
    rules.sort(key=lambda rule: not rule.is_possible)
    return PolicyIndex(
        by_target=_grouped((r.target, r.permission.resource, r) for r in rules),
        by_resource=_grouped((r.permission.resource, r.target, r) for r in rules),
    )


def decide(
    policies: PolicyIndex, target: Tagged, sealed: SealedSecret
) -> Permit | Denial:
    """Permit the release of this secret to `target`, if a policy allows it."""
    question = Question.of(target, ACCESS, sealed.secret.tagged)
    rule = _deciding(policies, question)
    if rule is None or rule.permission.effect is not Effect.ALLOW:
        return _denial(policies, question, rule)
    # Without the sentence that `explain` makes, which is not needed for a trigger.
    return Permit(sealed, rule.policy.id)


def permits(
    policies: PolicyIndex, target: Tagged, secrets: Iterable[SealedSecret]
) -> Sequence[Permit]:
    """Permit those of these secrets that `decide` permits, without the other reasons.

    A profile has many secrets, and why each of the others is denied takes long to say.
    """
    decided = (
        (each, _deciding(policies, Question.of(target, ACCESS, each.secret.tagged)))
        for each in secrets
    )
    return [
        Permit(sealed, rule.policy.id)
        for sealed, rule in decided
        if rule is not None and rule.permission.effect is Effect.ALLOW
    ]


def allows(policies: PolicyIndex, target: Tagged, verb: str, resource: Tagged) -> bool:
    """Tell what `explain` decides, without a reason. This opens no secret."""
    rule = _deciding(policies, Question.of(target, verb, resource))
    return rule is not None and rule.permission.effect is Effect.ALLOW


def explain(
    policies: PolicyIndex, target: Tagged, resource: Tagged, verb: str = ACCESS
) -> Explanation:
    """Return whether `target` may do that to `resource`, and by which policy.

    What no active policy allows is denied, and deny beats allow, in any policy. Of
    several that decide, the one with the closest pattern is named, then the oldest.
    """
    question = Question.of(target, verb, resource)
    rule = _deciding(policies, question)
    if rule is None or rule.permission.effect is not Effect.ALLOW:
        return _denial(policies, question, rule)
    return Allowance(f"{rule} lets {question}", rule.policy.id)


def _deciding(policies: PolicyIndex, question: Question) -> Rule | None:
    """Return the rule that decides; None if there is none, which denies."""
    if question.target.profile != question.resource.profile:
        return None
    applying = _applying(policies, question)
    # Deny comes before allow, as False comes before True.
    return min(
        applying, key=lambda r: r.permission.effect is not Effect.DENY, default=None
    )


def _denial(policies: PolicyIndex, question: Question, rule: Rule | None) -> Denial:
    target, resource = question.target, question.resource
    if target.profile != resource.profile:
        reason = f"{named(resource)} is not of the profile of {named(target)}"
        return Denial(Code.OTHER_PROFILE, reason)
    if rule is None:
        return _unallowed(policies, question)
    reason = f"{rule} forbids that {question}"
    return Denial(Code.DENIED_BY_POLICY, reason, rule.policy.id)


def _rules(policy: Policy) -> Iterator[Rule]:
    for target in policy.targets:
        for permission in policy.permissions:
            yield Rule(
                policy=policy.tagged,
                name=policy.name,
                active=policy.active,
                target=target,
                permission=permission,
            )


def _grouped(rules: Iterable[tuple[Pattern, Pattern, Rule]]) -> Rules:
    grouped: dict[Pattern, dict[Pattern, list[Rule]]] = {}
    for outer, inner, rule in rules:
        grouped.setdefault(outer, {}).setdefault(inner, []).append(rule)
    return {
        outer: {inner: tuple(rules) for inner, rules in by_inner.items()}
        for outer, by_inner in grouped.items()
    }


def _applying(policies: PolicyIndex, question: Question) -> Iterator[Rule]:
    for rule in matching(policies, question):
        if rule.active and question.verb in rule.permission.verbs:
            yield rule


def matching(policies: PolicyIndex, question: Question) -> Iterator[Rule]:
    """Yield the rules about this target and this resource, of their profile."""
    profile = question.target.profile
    for target in question.targets:
        by_resource = policies.by_target.get(target, _NOTHING)
        for resource in question.resources if by_resource else ():
            for rule in by_resource.get(resource, ()):
                if rule.policy.profile == profile:
                    yield rule


def _unallowed(policies: PolicyIndex, question: Question) -> Denial:
    about_both = islice(matching(policies, question), _SEARCHED)
    misses = nearest_misses((*about_both, *_beside(policies, question)), question)
    nearest = f"the nearest: {misses[0]}" if misses else "none comes near it"
    reason = f"no policy lets {question}; {nearest}"
    return Denial(Code.NO_POLICY, reason, misses=misses)


def _beside(policies: PolicyIndex, question: Question) -> Iterator[Rule]:
    """Yield some of the rules about this target, and some about this resource."""
    sides = (
        (policies.by_target, question.targets),
        (policies.by_resource, question.resources),
    )
    for rules, patterns in sides:
        for pattern in patterns:
            about = chain.from_iterable(rules.get(pattern, {}).values())
            yield from islice(about, _SEARCHED)
