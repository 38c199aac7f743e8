"""Catalog: an immutable view of all definitions, as of one revision of the store."""

from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.model.action import Action
from keyrelay.model.policy.policy import PolicyIndex, index
from keyrelay.model.secret import SealedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Actions and sealed secrets by (profile, id), policies by profile.

    As the profile is in the key, no id reaches a definition of another profile.
    """

    revision: int
    actions: Mapping[tuple[str, str], Action]
    secrets: Mapping[tuple[str, str], SealedSecret]
    policies: Mapping[str, PolicyIndex]

    def policies_of(self, profile: str) -> PolicyIndex:
        """Return the profile's policies, which may be none."""
        return self.policies.get(profile, NO_POLICIES)


NO_POLICIES = index(())
