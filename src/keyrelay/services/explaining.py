"""Explaining: whether an action may use a secret, by which policy or why not."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Allowance, Denial, Explanation, explain
from keyrelay.services.naming import find_definition, find_secret
from keyrelay.stores.definitions.actions import ActionStore
from keyrelay.stores.definitions.secrets import SecretStore
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import id_of


class NotInCatalog(Exception):
    """The definition is stored, and no worker uses it; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """`catalog` returns what a worker would see of the definitions now."""

    actions: ActionStore
    secrets: SecretStore
    catalog: Callable[[], Awaitable[Catalog]]

    async def explain(self, profile: str, action: str, secret: str) -> Explanation:
        """Decide as a worker would; both are given by id, or by name and key.

        Raises NotInCatalog, UnknownName, AmbiguousName, NotFound and Unavailable.
        """
        action_id = id_of(await find_definition(self.actions, profile, action))
        secret_id = secret_id_of(await find_secret(self.secrets, profile, secret))
        catalog = await self.catalog()
        target = catalog.actions.get((profile, action_id))
        sealed = catalog.secrets.get((profile, secret_id))
        if (reason := catalog.omitted.profiles.get(profile)) is not None:
            raise NotInCatalog(reason)
        if target is None:
            raise NotInCatalog(catalog.absence("action", profile, action_id))
        if sealed is None:
            raise NotInCatalog(catalog.absence("secret", profile, secret_id))
        policies = catalog.policies_of(profile)
        return explain(policies, target.tagged, sealed.secret.tagged)


def explanation_document(explanation: Explanation) -> Mapping[str, object]:
    """Return the explanation for JSON, as every face shows it."""
    match explanation:
        case Allowance(reason, policy):
            return {"allowed": True, "reason": reason, "policy": policy}
        case Denial(code, reason, policy, misses):
            return {
                "allowed": False,
                "code": code,
                "reason": reason,
                "policy": policy,
                "misses": list(misses),
            }
        case _:
            assert_never(explanation)
