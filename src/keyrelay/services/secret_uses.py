"""Secret uses: which actions refer to a secret, and whether each is given it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Allowance, explain
from keyrelay.stores.definitions.secrets import SecretStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """An action that refers to the secret; `policy` is the one that decides."""

    action: str
    name: str | None
    is_released: bool
    reason: str
    policy: str | None = None


async def secret_uses(
    secrets: SecretStore, catalog: Catalog, profile: str, secret: str
) -> Sequence[SecretUse]:
    """Return the uses by the names of their actions.

    The `catalog` is what a worker sees of the definitions: an action that is not in it
    is given nothing. Raises NotFound and Unavailable.
    """
    await secrets.get(profile, secret)
    users = await secrets.users(profile, secret)
    uses = [_use_of(catalog, profile, secret, action) for action in users]
    return sorted(uses, key=lambda use: (use.name or "", use.action))


def _use_of(catalog: Catalog, profile: str, secret: str, id_: str) -> SecretUse:
    action = catalog.actions.get((profile, id_))
    sealed = catalog.secrets.get((profile, secret))
    name = None if action is None else action.name
    if (closed := catalog.omitted.profiles.get(profile)) is not None:
        return SecretUse(action=id_, name=name, is_released=False, reason=closed)
    if action is None or sealed is None:
        noun, absent = ("action", id_) if action is None else ("secret", secret)
        reason = catalog.absence(noun, profile, absent)
        return SecretUse(action=id_, name=name, is_released=False, reason=reason)
    policies = catalog.policies_of(profile)
    explanation = explain(policies, action.tagged, sealed.secret.tagged)
    return SecretUse(
        action=id_,
        name=name,
        is_released=isinstance(explanation, Allowance),
        reason=explanation.reason,
        policy=explanation.policy,
    )


def use_document(use: SecretUse) -> Mapping[str, object]:
    """Return the use for JSON, as every face shows it."""
    return {
        "action": use.action,
        "name": use.name,
        "released": use.is_released,
        "reason": use.reason,
        "policy": use.policy,
    }
