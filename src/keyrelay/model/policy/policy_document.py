"""Policy documents: TagoIO's JSON, read strictly into a policy."""

from collections.abc import Mapping

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
)
from keyrelay.model.policy.kinds import CREATE, TARGETS, VERBS, is_here
from keyrelay.model.policy.pattern import WithId, parse_pattern
from keyrelay.model.policy.policy import POLICY, Policy
from keyrelay.model.policy.rule import Effect, parse_permission
from keyrelay.model.tags import Tagged, parse_tags

LONGEST_NAME = 100
MOST_TUPLES = 100  # targets of one policy, and permissions

_FIELDS = frozenset({"name", "active", "tags", "targets", "permissions"})


def parse_policy(document: Mapping[str, object], id_: str, profile: str) -> Policy:
    """Read TagoIO's policy document, or raise InvalidDefinition."""
    refuse_unknown(document, _FIELDS, "a policy")
    targets = require_list(document.get("targets"), "targets", longest=MOST_TUPLES)
    permissions = require_list(
        document.get("permissions"), "permissions", longest=MOST_TUPLES
    )
    tags = parse_tags(document.get("tags", []))
    return Policy(
        tagged=Tagged(kind=POLICY, profile=profile, id=id_, tags=tags),
        name=require_label(document.get("name"), "name", longest=LONGEST_NAME),
        active=require_bool(document.get("active", True), "active"),
        targets=tuple(
            parse_pattern(target, TARGETS, f"targets[{at}]")
            for at, target in enumerate(targets)
        ),
        permissions=tuple(
            parse_permission(permission, f"permissions[{at}]")
            for at, permission in enumerate(permissions)
        ),
    )


def denying_all(id_: str, profile: str) -> Policy:
    """Return what stands in for a policy that cannot be read: it denies everything."""
    permissions = [
        {"effect": "deny", "action": [*verbs], "resource": [kind]}
        for kind, verbs in VERBS.items()
    ]
    targets = [[kind] for kind in TARGETS if is_here(kind)]
    document = {"name": "unreadable", "targets": targets, "permissions": permissions}
    return parse_policy(document, id_, profile)


def require_possible(policy: Policy) -> None:
    """Raise InvalidDefinition for a permission that no thing can ever match.

    Not part of `parse_policy`: policies that were stored before stay readable.
    """
    for at, permission in enumerate(policy.permissions):
        resource = permission.resource
        by_id = isinstance(resource, WithId) and is_here(resource.kind)
        if by_id and CREATE in permission.verbs:
            raise InvalidDefinition(
                f"permissions[{at}] is about {CREATE} by id, and what is created has no"
                " id yet: name a tag that it must have, or all of its kind"
            )


def kinds_elsewhere(policy: Policy) -> tuple[str, ...]:
    """Return the kinds that the policy names and that match nothing here, sorted."""
    resources = (permission.resource for permission in policy.permissions)
    named = {pattern.kind for pattern in (*policy.targets, *resources)}
    return tuple(sorted(kind for kind in named if not is_here(kind)))


def allows_first(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return a policy's document as TagoIO answers it: its allows, then its denials."""
    permissions = document.get("permissions")
    if not isinstance(permissions, list):
        return document
    return {**document, "permissions": sorted(permissions, key=_is_denial)}


def _is_denial(permission: object) -> bool:
    return isinstance(permission, dict) and permission.get("effect") == Effect.DENY
