"""Catalog: an immutable view of all definitions, as of one revision of the store."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keyrelay.model.action import Action
from keyrelay.model.analysis import ScriptedAnalysis
from keyrelay.model.policy.policy import PolicyIndex, index
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret
from keyrelay.model.token import DigestedToken, Token

_SOUGHT_BY = 16  # bytes of a digest; the others are compared in constant time


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """Why definitions that are there are not in the catalog.

    Single ones by (profile, id), all those of a profile by the profile.
    """

    definitions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Actions, analyses and sealed secrets by (profile, id), policies by profile.

    As the profile is in the key, no id reaches a definition of another profile.
    `by_key` are the same secrets by profile, as `ordered_by_key` returns them; `tokens`
    are as `tokens_by_digest` returns them.
    """

    revision: Revision
    actions: Mapping[tuple[str, str], Action]
    secrets: Mapping[tuple[str, str], SealedSecret]
    policies: Mapping[str, PolicyIndex]
    by_key: Mapping[str, Sequence[SealedSecret]] = field(default_factory=dict)
    analyses: Mapping[tuple[str, str], ScriptedAnalysis] = field(default_factory=dict)
    tokens: Mapping[bytes, DigestedToken] = field(default_factory=dict)
    omitted: Omitted = field(default_factory=Omitted)

    def policies_of(self, profile: str) -> PolicyIndex:
        """Return the profile's policies, which may be none."""
        return self.policies.get(profile, NO_POLICIES)

    def secrets_of(self, profile: str) -> Sequence[SealedSecret]:
        """Return the profile's secrets in the order of their keys."""
        return self.by_key.get(profile, ())

    def token(self, digest: bytes) -> Token | None:
        """Return the token of this digest, in a time that tells nothing of others."""
        found = self.tokens.get(digest[:_SOUGHT_BY])
        kept = bytes(len(digest)) if found is None else found.digest
        same = hmac.compare_digest(kept, digest)
        return found.token if found is not None and same else None

    def absence(self, noun: str, profile: str, id_: str) -> str:
        """Say why no such definition can be used."""
        reason = self.omitted.definitions.get((profile, id_))
        return (
            f"there is no {noun} {id_}" if reason is None else f"{noun} {id_}: {reason}"
        )


NO_POLICIES = index(())


def ordered_by_key(secrets: Iterable[SealedSecret]) -> Sequence[SealedSecret]:
    """Return the secrets of one profile in the order of their keys."""
    return tuple(sorted(secrets, key=lambda each: each.secret.key))


def tokens_by_digest(tokens: Iterable[DigestedToken]) -> Mapping[bytes, DigestedToken]:
    """Return the tokens by that part of their digests by which they are sought."""
    return {each.digest[:_SOUGHT_BY]: each for each in tokens}
