"""Policy losses: what is released now, and would not be without a policy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from keyrelay.model.analysis import Analysis
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.kinds import ACCESS
from keyrelay.model.policy.policy import PolicyIndex, Rules, allows
from keyrelay.model.secret import SealedSecret
from keyrelay.services.policy_coverage import (
    NAMED,
    Target,
    key_document,
    target_document,
    targets_of,
)


def policy_losses(
    catalog: Catalog, profile: str, policy: str
) -> Iterator[tuple[Target, SealedSecret]]:
    """Yield what is released now, and would not be without the policy of this id.

    An action is given no secret but the one that it names.
    """
    before = catalog.policies_of(profile)
    after = PolicyIndex(
        by_target=_without(before.by_target, policy),
        by_resource=_without(before.by_resource, policy),
    )
    for target in targets_of(catalog, profile):
        for sealed in _usable(catalog, target):
            asked = (target.tagged, ACCESS, sealed.secret.tagged)
            if allows(before, *asked) and not allows(after, *asked):
                yield target, sealed


def losses_document(
    found: Iterable[tuple[Target, SealedSecret]],
) -> Sequence[Mapping[str, object]]:
    """Return for JSON the first of what ends."""
    return [
        {**target_document(target), "secret": key_document(sealed)}
        for target, sealed in islice(found, NAMED)
    ]


def _without(rules: Rules, policy: str) -> Rules:
    return {
        outer: {
            inner: [each for each in found if each.policy.id != policy]
            for inner, found in by_inner.items()
        }
        for outer, by_inner in rules.items()
    }


def _usable(catalog: Catalog, target: Target) -> Sequence[SealedSecret]:
    profile = target.tagged.profile
    if isinstance(target, Analysis):
        return catalog.secrets_of(profile)
    named = catalog.secrets.get((profile, target.instruction.secret or ""))
    return () if named is None else (named,)
