"""Catalog: an immutable view of all definitions, as of one revision of the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyrelay.model.action import Action
from keyrelay.model.policy.policy import PolicyIndex, index
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Actions and sealed secrets by (profile, id), policies by profile.

    As the profile is in the key, no id reaches a definition of another profile.
    `left_out` says of definitions that are there why they release nothing, `closed` of
    profiles why none of theirs does.
    """

    revision: Revision
    actions: Mapping[tuple[str, str], Action]
    secrets: Mapping[tuple[str, str], SealedSecret]
    policies: Mapping[str, PolicyIndex]
    left_out: Mapping[tuple[str, str], str] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)

    def policies_of(self, profile: str) -> PolicyIndex:
        """Return the profile's policies, which may be none."""
        return self.policies.get(profile, NO_POLICIES)

    def absence(self, noun: str, profile: str, id_: str) -> str:
        """Say why no such definition can be used."""
        reason = self.left_out.get((profile, id_))
        return (
            f"there is no {noun} {id_}" if reason is None else f"{noun} {id_}: {reason}"
        )


NO_POLICIES = index(())
