"""Reach: all that a target may do one thing to, as a store can search for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keyrelay.model.policy.pattern import (
    OfKind,
    Pattern,
    WithId,
    WithTag,
    WithTargetsTag,
    patterns_of,
)
from keyrelay.model.policy.policy import PolicyIndex
from keyrelay.model.policy.rule import Effect, Rule
from keyrelay.model.tags import Tag, Tagged


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some things of one kind: all of them, or those with one of these ids or tags."""

    everything: bool
    ids: frozenset[str]
    tags: frozenset[Tag]

    @property
    def is_empty(self) -> bool:
        return not (self.everything or self.ids or self.tags)

    @property
    def size(self) -> int:
        """How many ids and tags are to be searched for."""
        return 0 if self.everything else len(self.ids) + len(self.tags)

    def includes(self, thing: Tagged) -> bool:
        by_name = self.everything or thing.id in self.ids
        return by_name or not self.tags.isdisjoint(thing.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is allowed, less what is denied: it includes what `allows` allows.

    It is about the things of one kind in the profile of the target.
    """

    allowed: Selection
    denied: Selection

    @property
    def is_empty(self) -> bool:
        return self.allowed.is_empty or self.denied.everything

    def includes(self, thing: Tagged) -> bool:
        return self.allowed.includes(thing) and not self.denied.includes(thing)


def reach_of(policies: PolicyIndex, target: Tagged, verb: str, kind: str) -> Reach:
    """Return what of this kind `target` may do that to, by policies of its profile."""
    rules = [*_rules(policies, target, verb, kind)]
    allowed = (r for r in rules if r.permission.effect is Effect.ALLOW)
    denied = (r for r in rules if r.permission.effect is Effect.DENY)
    return Reach(allowed=_selection(allowed, target), denied=_selection(denied, target))


def _rules(
    policies: PolicyIndex, target: Tagged, verb: str, kind: str
) -> Iterator[Rule]:
    for of_target in patterns_of(target, target):
        for resource, rules in policies.by_target.get(of_target, {}).items():
            for rule in rules if resource.kind == kind else ():
                ours = rule.active and rule.policy.profile == target.profile
                if ours and verb in rule.permission.verbs:
                    yield rule


def _selection(rules: Iterable[Rule], target: Tagged) -> Selection:
    patterns = [_resolved(rule.permission.resource, target) for rule in rules]
    return Selection(
        everything=any(isinstance(each, OfKind) for each in patterns),
        ids=frozenset(each.id for each in patterns if isinstance(each, WithId)),
        tags=frozenset(each.tag for each in patterns if isinstance(each, WithTag)),
    )


def _resolved(pattern: Pattern, target: Tagged) -> Pattern:
    """Return what `tag_match` stands for: the tag that the target itself carries."""
    if isinstance(pattern, WithTargetsTag):
        for tag in target.tags:
            if tag.key == pattern.key:
                return WithTag(pattern.kind, tag)
    return pattern
