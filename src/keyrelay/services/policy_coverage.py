"""Policy coverage: what a policy is about now, by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TypeVar

from keyrelay.model.action import Action
from keyrelay.model.analysis import Analysis
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.kinds import ACCESS, is_here
from keyrelay.model.policy.pattern import OfKind, patterns_of
from keyrelay.model.policy.policy import (
    Code,
    Denial,
    Policy,
    PolicyIndex,
    allows,
    explain,
    index,
)
from keyrelay.model.policy.reach import Reach, reach_of
from keyrelay.model.policy.rule import Effect
from keyrelay.model.secret import RESOURCE, SealedSecret
from keyrelay.services.remarks import on_policy

T = TypeVar("T")
Target = Action | Analysis

NAMED = 50  # names that are told of each list
# What bounds the work for a policy about very many things: how many differing reaches
# of its targets are looked at, and how many pairs are asked whether a deny covers them.
_MOST_REACHES = 200
_MOST_PAIRS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a policy is about now.

    `released` are the secrets whose values it releases to one of the targets or more,
    `withheld` those that it denies; `remarks` say what a person should look at twice.
    """

    targets: Sequence[Target]
    released: Sequence[SealedSecret]
    withheld: Sequence[SealedSecret]
    remarks: Sequence[str]


def coverage(catalog: Catalog, policy: Policy) -> Coverage:
    """Return what the policy, which need not be stored, is about.

    An inactive one is read as if it were active: that is what is looked at before it
    is made so.
    """
    own = index([replace(policy, active=True)])
    profile = policy.tagged.profile
    targets = [each for each in targets_of(catalog, profile) if _is_target(own, each)]
    reaches = _reaches(own, targets)
    secrets = catalog.secrets_of(profile)
    released = _secrets(secrets, reaches, lambda reach: reach.includes)
    return Coverage(
        targets=targets,
        released=released,
        withheld=_secrets(secrets, reaches, lambda reach: reach.denied.includes),
        remarks=(
            *on_policy(policy),
            *_wide(policy),
            *_idle(policy, targets, released),
            *_shadowed(catalog, own, policy, product(targets, released)),
        ),
    )


def coverage_document(found: Coverage) -> Mapping[str, object]:
    """Return the coverage for JSON: of each list how many there are, and the first."""
    return {
        "targets": _counted(found.targets, target_document),
        "released": _counted(found.released, key_document),
        "withheld": _counted(found.withheld, key_document),
        "remarks": [*found.remarks],
    }


def targets_of(catalog: Catalog, profile: str) -> Iterator[Target]:
    for (owner, _), action in catalog.actions.items():
        if owner == profile:
            yield action
    for (owner, _), scripted in catalog.analyses.items():
        if owner == profile:
            yield scripted.analysis


def _is_target(own: PolicyIndex, target: Target) -> bool:
    patterns = patterns_of(target.tagged, target.tagged)
    return any(pattern in own.by_target for pattern in patterns)


def _reaches(own: PolicyIndex, targets: Iterable[Target]) -> Sequence[Reach]:
    """Return how far the targets reach; most reach equally far."""
    found = (reach_of(own, each.tagged, ACCESS, RESOURCE) for each in targets)
    differing: dict[Reach, None] = {}
    for reach in found:
        differing[reach] = None
        if len(differing) == _MOST_REACHES:
            break
    return [*differing]


def _secrets(
    secrets: Iterable[SealedSecret],
    reaches: Sequence[Reach],
    includes: Callable[[Reach], Callable[..., bool]],
) -> Sequence[SealedSecret]:
    covers = [includes(reach) for reach in reaches]
    return [
        each for each in secrets if any(cover(each.secret.tagged) for cover in covers)
    ]


def _wide(policy: Policy) -> Iterator[str]:
    if any(isinstance(each, OfKind) and is_here(each.kind) for each in policy.targets):
        yield "it is wide: one of its targets is everything of its kind, now and later"
    for permission in policy.permissions:
        if permission.resource == OfKind(RESOURCE) and ACCESS in permission.verbs:
            yield f"it is wide: it {permission.effect}s the use of every secret"


def _idle(
    policy: Policy, targets: Sequence[Target], released: Sequence[SealedSecret]
) -> Iterator[str]:
    if policy.targets and not targets:
        yield "no action and no analysis that is there now is one of its targets"
    releases = any(
        each.effect is Effect.ALLOW
        and each.resource.kind == RESOURCE
        and ACCESS in each.verbs
        for each in policy.permissions
    )
    if targets and releases and not released:
        yield "no secret that is there now is one that it releases"


def _shadowed(
    catalog: Catalog,
    own: PolicyIndex,
    policy: Policy,
    pairs: Iterable[tuple[Target, SealedSecret]],
) -> Iterator[str]:
    """Say which other policies forbid what this one allows, the first of it by name."""
    others = catalog.policies_of(policy.tagged.profile)
    by_policy: dict[str, list[str]] = {}
    for target, sealed in islice(pairs, _MOST_PAIRS):
        asked = (target.tagged, sealed.secret.tagged)
        denial = explain(others, *asked)
        if not isinstance(denial, Denial) or denial.code is not Code.DENIED_BY_POLICY:
            continue
        ours = denial.policy == policy.tagged.id
        if not ours and allows(own, target.tagged, ACCESS, sealed.secret.tagged):
            by_policy.setdefault(str(denial.policy), []).append(denial.reason)
    for reasons in by_policy.values():
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        yield f"{reasons[0]}{more}"


def _counted(
    found: Sequence[T], document: Callable[[T], Mapping[str, object]]
) -> Mapping[str, object]:
    return {"count": len(found), "first": [document(each) for each in found[:NAMED]]}


def target_document(target: Target) -> Mapping[str, object]:
    is_analysis = isinstance(target, Analysis)
    return {
        "action": None if is_analysis else target.tagged.id,
        "analysis": target.tagged.id if is_analysis else None,
        "name": target.name,
    }


def key_document(sealed: SealedSecret) -> Mapping[str, object]:
    return {"id": sealed.secret.tagged.id, "key": sealed.secret.key}
