"""Rules: policies taken apart, one target and one permission at a time."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Self

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_label,
    require_list,
    require_object,
)
from keyrelay.model.policy.kinds import RESOURCES, VERBS, is_here
from keyrelay.model.policy.pattern import (
    Pattern,
    WithTargetsTag,
    parse_pattern,
    patterns_of,
    tag_key,
    words,
)
from keyrelay.model.secret import RESOURCE
from keyrelay.model.tags import Tagged

MOST_MISSES = 3
MOST_VERBS = 50  # of one permission
LONGEST_VERB = 50


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """`verbs` are what the document calls `action`; without any it never applies."""

    effect: Effect
    verbs: frozenset[str]
    resource: Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One target and one permission of a policy, whose name is `name`."""

    policy: Tagged
    name: str
    active: bool
    target: Pattern
    permission: Permission

    @property
    def is_possible(self) -> bool:
        """Whether there can be a target and a resource here that it is about."""
        return is_here(self.target.kind) and is_here(self.permission.resource.kind)

    def __str__(self) -> str:
        return f'policy "{self.name}" ({self.policy.id})'


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May `target` do to `resource` what `verb` says?

    `targets` and `resources` are all the patterns that match them.
    """

    target: Tagged
    verb: str
    resource: Tagged
    targets: tuple[Pattern, ...]
    resources: tuple[Pattern, ...]

    @classmethod
    def of(cls, target: Tagged, verb: str, resource: Tagged) -> Self:
        return cls(
            target=target,
            verb=verb,
            resource=resource,
            targets=patterns_of(target, target),
            resources=patterns_of(resource, target),
        )

    def __str__(self) -> str:
        return f"{named(self.target)} {self.verb} {named(self.resource)}"


def named(thing: Tagged) -> str:
    return f"{'secret' if thing.kind == RESOURCE else thing.kind} {thing.id}"


def parse_permission(value: object, what: str) -> Permission:
    """Read TagoIO's `{effect, action, resource}`, or raise InvalidDefinition."""
    document = require_object(value, what)
    refuse_unknown(document, {"effect", "action", "resource"}, what)
    resource = parse_pattern(document.get("resource"), RESOURCES, f"{what}.resource")
    return Permission(
        effect=_parse_effect(document.get("effect"), f"{what}.effect"),
        verbs=_parse_verbs(document.get("action"), resource.kind, f"{what}.action"),
        resource=resource,
    )


def nearest_misses(rules: Iterable[Rule], question: Question) -> tuple[str, ...]:
    """Return up to 3 sentences, each for a rule that nearly allows it: why it does not.

    One for a policy, the nearest first.
    """
    allowing = [
        rule
        for rule in rules
        if rule.policy.profile == question.target.profile
        and rule.permission.effect is Effect.ALLOW
    ]
    nearest: dict[str, Rule] = {}
    for rule in sorted(allowing, key=lambda rule: _distance(rule, question)):
        nearest.setdefault(rule.policy.id, rule)
    # The sentences are made last: they would be most of the work of a denial.
    return tuple(
        _miss(rule, question) for rule in islice(nearest.values(), MOST_MISSES)
    )


def _distance(rule: Rule, question: Question) -> tuple[int, int, str]:
    """Sort by how much would have to change for the rule to allow it.

    Another value of a tag is a smaller change than another tag or another id, and a
    kind that is not here is the largest.
    """
    sizes = [
        1 if _carries(thing, pattern) else 2 if is_here(pattern.kind) else 3
        for _, pattern, thing in _mismatches(rule, question)
    ]
    changes = len(sizes) + (not rule.active) + _lacks_verb(rule, question)
    return changes, sum(sizes), rule.policy.id


def _miss(rule: Rule, question: Question) -> str:
    reasons = [] if rule.active else ["is inactive"]
    for phrase, pattern, thing in _mismatches(rule, question):
        wanted = json.dumps(words(pattern), ensure_ascii=False)
        standing = _standing(thing, pattern, question.target)
        reasons.append(f"{phrase} {wanted}, {standing}")
    if _lacks_verb(rule, question):
        verbs = ", ".join(sorted(rule.permission.verbs)) or "nothing"
        reasons.append(f"gives {verbs}, not {question.verb}")
    return f"{rule} {' and '.join(reasons)}"


def _lacks_verb(rule: Rule, question: Question) -> bool:
    return question.verb not in rule.permission.verbs


def _mismatches(
    rule: Rule, question: Question
) -> Iterator[tuple[str, Pattern, Tagged]]:
    if rule.target not in question.targets:
        yield "is for", rule.target, question.target
    if rule.permission.resource not in question.resources:
        yield "is about", rule.permission.resource, question.resource


def _carries(thing: Tagged, pattern: Pattern) -> bool:
    return thing.kind == pattern.kind and tag_key(pattern) in {
        tag.key for tag in thing.tags
    }


def _standing(thing: Tagged, pattern: Pattern, target: Tagged) -> str:
    """Say what `thing` is or carries instead of what the pattern asks for."""
    if not is_here(pattern.kind):
        return "a kind that matches nothing here"
    key = tag_key(pattern)
    if key is None or pattern.kind != thing.kind:
        return f"but this is {named(thing)}"
    compared = (thing, target) if isinstance(pattern, WithTargetsTag) else (thing,)
    carried = dict.fromkeys(_carried(each, key) for each in compared)
    return f"but {' and '.join(carried)}"


def _carried(thing: Tagged, key: str) -> str:
    values = [tag.value for tag in thing.tags if tag.key == key]
    return f"{named(thing)} has " + (
        f"{key}={values[0]}" if values else f"no tag {key}"
    )


def _parse_effect(value: object, what: str) -> Effect:
    for effect in Effect:
        if value == effect.value:
            return effect
    raise InvalidDefinition(f"{what} must be allow or deny")


def _parse_verbs(value: object, kind: str, what: str) -> frozenset[str]:
    verbs = require_list(value, what, longest=MOST_VERBS)
    known = VERBS.get(kind)
    if known is None:  # TagoIO's own, which are kept as they are
        each = f"each word of {what}"
        return _verbs(
            *sorted(require_label(verb, each, longest=LONGEST_VERB) for verb in verbs)
        )
    if not all(verb in known for verb in verbs):
        raise InvalidDefinition(
            f'{what} must list some of {", ".join(known)}, as it is about "{kind}"'
        )
    return _verbs(*sorted(str(verb) for verb in verbs))


@lru_cache(maxsize=256)  # a handful of sets, which thousands of permissions share
def _verbs(*verbs: str) -> frozenset[str]:
    return frozenset(verbs)
