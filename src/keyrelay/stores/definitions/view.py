"""View: all definitions of the store as of one revision, and what vouches for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from keyrelay.model.action import Action
from keyrelay.model.analysis import ScriptedAnalysis
from keyrelay.model.catalog import Catalog, Omitted, tokens_by_digest
from keyrelay.model.policy.policy import Policy, PolicyIndex
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret
from keyrelay.model.token import DigestedToken
from keyrelay.stores.definitions.definition_index import DefinitionIndex
from keyrelay.stores.rows import ScopedId

T = TypeVar("T")
Built = TypeVar("Built")

NOTHING_READ = Revision("", -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Definitions by profile and id."""

    actions: Mapping[ScopedId, Action] = field(default_factory=dict)
    secrets: Mapping[ScopedId, SealedSecret] = field(default_factory=dict)
    policies: Mapping[ScopedId, Policy] = field(default_factory=dict)
    analyses: Mapping[ScopedId, ScriptedAnalysis] = field(default_factory=dict)
    tokens: Mapping[ScopedId, DigestedToken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All definitions as of one revision.

    `indexes` vouch for them, by profile; `policies` are by id, `compiled` by profile.
    `by_key` are the secrets of each profile in the order of their keys. `left_out` says
    why a definition that is there is not among them.
    """

    revision: Revision = NOTHING_READ
    indexes: Mapping[str, DefinitionIndex] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    compiled: Mapping[str, PolicyIndex] = field(default_factory=dict)
    by_key: Mapping[str, Sequence[SealedSecret]] = field(default_factory=dict)
    left_out: Mapping[ScopedId, str] = field(default_factory=dict)

    @property
    def closed(self) -> Mapping[str, str]:
        """The profiles whose index is broken, and why."""
        return {
            profile: f"the definitions of profile {profile} are not believed:"
            f" {listed.broken}; `keyrelay key status --check` says what to do"
            for profile, listed in self.indexes.items()
            if listed.broken
        }

    @property
    def catalog(self) -> Catalog:
        return Catalog(
            revision=self.revision,
            actions=self.kept.actions,
            secrets=self.kept.secrets,
            policies=self.compiled,
            by_key=self.by_key,
            analyses=self.kept.analyses,
            tokens=tokens_by_digest(self.kept.tokens.values()),
            omitted=Omitted(definitions=self.left_out, profiles=self.closed),
        )


def by_profile(
    old: Mapping[ScopedId, T],
    new: Mapping[ScopedId, T],
    built: Mapping[str, Built],
    build: Callable[[Sequence[T]], Built],
) -> Mapping[str, Built]:
    """Return what is built of each profile's definitions.

    Of `built`, which is that of the old ones, only what has changed is built again.
    """
    if new is old:
        return built
    stale: dict[str, list[T]] = {
        scoped[0]: []
        for scoped in old.keys() | new.keys()
        if old.get(scoped) is not new.get(scoped)
    }
    for (profile, _), definition in new.items():
        if profile in stale:
            stale[profile].append(definition)
    return {**built, **{name: build(those) for name, those in stale.items()}}
