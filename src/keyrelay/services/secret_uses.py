"""Secret uses: what refers to a secret or may read it, and whether each is given it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Allowance, Explanation, explain, permits
from keyrelay.services.explaining import target_in
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.secrets import SecretStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """An action that refers to the secret, or an analysis that may access it.

    `policy` is the one that decides.
    """

    noun: Noun
    id: str
    name: str | None
    is_released: bool
    reason: str
    policy: str | None = None


async def secret_uses(
    secrets: SecretStore, catalog: Catalog, profile: str, secret: str
) -> Sequence[SecretUse]:
    """Return the uses by actions, then those by analyses, each by the users' names.

    The `catalog` is what a worker sees of the definitions: an action that is not in it
    is given nothing. An analysis refers to no secret; one that no policy lets access
    the secret is no user of it. Raises NotFound and Unavailable.
    """
    await secrets.get(profile, secret)
    users = await secrets.users(profile, secret)
    uses = [_use_of(catalog, profile, secret, action) for action in users]
    uses += _readers(catalog, profile, secret)
    return sorted(uses, key=lambda use: (use.noun, use.name or "", use.id))


def _use_of(catalog: Catalog, profile: str, secret: str, id_: str) -> SecretUse:
    action = target_in(catalog, Noun.ACTION, profile, id_)
    sealed = catalog.secrets.get((profile, secret))
    name = None if action is None else action.name
    if (closed := catalog.omitted.profiles.get(profile)) is not None:
        return _unreleased(id_, name, closed)
    if action is None or sealed is None:
        noun, absent = ("action", id_) if action is None else ("secret", secret)
        return _unreleased(id_, name, catalog.absence(noun, profile, absent))
    policies = catalog.policies_of(profile)
    explanation = explain(policies, action.tagged, sealed.secret.tagged)
    return _explained(Noun.ACTION, id_, action.name, explanation)


def _readers(catalog: Catalog, profile: str, secret: str) -> Iterator[SecretUse]:
    """Yield the analyses that policies let access the secret."""
    sealed = catalog.secrets.get((profile, secret))
    if sealed is None or profile in catalog.omitted.profiles:
        return
    policies = catalog.policies_of(profile)
    for (owner, id_), scripted in catalog.analyses.items():
        if owner != profile or not permits(
            policies, scripted.analysis.tagged, [sealed]
        ):
            continue
        analysis = scripted.analysis
        explanation = explain(policies, analysis.tagged, sealed.secret.tagged)
        yield _explained(Noun.ANALYSIS, id_, analysis.name, explanation)


def _unreleased(action: str, name: str | None, reason: str) -> SecretUse:
    return SecretUse(
        noun=Noun.ACTION, id=action, name=name, is_released=False, reason=reason
    )


def _explained(noun: Noun, id_: str, name: str, explanation: Explanation) -> SecretUse:
    return SecretUse(
        noun=noun,
        id=id_,
        name=name,
        is_released=isinstance(explanation, Allowance),
        reason=explanation.reason,
        policy=explanation.policy,
    )


def use_document(use: SecretUse) -> Mapping[str, object]:
    """Return the use for JSON, as every face shows it."""
    return {
        "action": use.id if use.noun is Noun.ACTION else None,
        "analysis": use.id if use.noun is Noun.ANALYSIS else None,
        "name": use.name,
        "released": use.is_released,
        "reason": use.reason,
        "policy": use.policy,
    }
