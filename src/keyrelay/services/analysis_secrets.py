"""Analysis secrets: which of its profile's secrets an analysis is given, and why."""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyrelay.model.analysis import Analysis
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Explanation, explain, permits
from keyrelay.model.secret import SealedSecret
from keyrelay.services.explaining import (
    NotInCatalog,
    explanation_document,
    target_in,
)
from keyrelay.stores.definitions.listing import Noun

_DECIDED_AT_ONCE = 200  # secrets, which take some milliseconds


class Giving(StrEnum):
    """What becomes of a secret in the environment of an analysis."""

    RELEASED = "released"
    WITHHELD = "withheld"
    REPLACED = "replaced"  # by a variable of the same key


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingPage:
    """Those of one state; `after` is the key of the last one of the page before."""

    state: Giving
    amount: int
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSecret:
    """`explanation` says what policies decide; of what is replaced, would decide."""

    id: str
    key: str
    state: Giving
    explanation: Explanation


async def analysis_secrets(
    catalog: Catalog, profile: str, id_: str, page: GivingPage
) -> Sequence[AnalysisSecret]:
    """Return the secrets in that state, by key, as a worker would decide now.

    Raises NotInCatalog.
    """
    analysis = target_in(catalog, Noun.ANALYSIS, profile, id_)
    if (closed := catalog.omitted.profiles.get(profile)) is not None:
        raise NotInCatalog(closed)
    if not isinstance(analysis, Analysis):
        raise NotInCatalog(catalog.absence(Noun.ANALYSIS, profile, id_))
    found = await _found(catalog, analysis, page)
    policies, target = catalog.policies_of(profile), analysis.tagged
    return [
        AnalysisSecret(
            id=each.secret.id,
            key=each.secret.key,
            state=page.state,
            explanation=explain(policies, target, each.secret.tagged),
        )
        for each in found
    ]


async def _found(
    catalog: Catalog, analysis: Analysis, page: GivingPage
) -> Sequence[SealedSecret]:
    secrets = catalog.secrets_of(analysis.tagged.profile)
    first, found = 0, list[SealedSecret]()
    if page.after is not None:
        first = bisect_right(secrets, page.after, key=lambda each: each.secret.key)
    while first < len(secrets) and len(found) < page.amount:
        some = secrets[first : first + _DECIDED_AT_ONCE]
        found += _in_state(catalog, analysis, some, page.state)
        first += len(some)
        await asyncio.sleep(0)  # others have their turn
    return found[: page.amount]


def _in_state(
    catalog: Catalog, analysis: Analysis, secrets: Sequence[SealedSecret], state: Giving
) -> Sequence[SealedSecret]:
    replaced = {variable.key for variable in analysis.variables}
    if state is Giving.REPLACED:
        return [each for each in secrets if each.secret.key in replaced]
    policies = catalog.policies_of(analysis.tagged.profile)
    allowed = permits(policies, analysis.tagged, secrets)
    released = {permit.sealed.secret.id for permit in allowed}
    return [
        each
        for each in secrets
        if each.secret.key not in replaced
        and (each.secret.id in released) == (state is Giving.RELEASED)
    ]


def analysis_secret_document(secret: AnalysisSecret) -> Mapping[str, object]:
    """Return what is shown of it, on every face."""
    return {
        "secret": secret.id,
        "key": secret.key,
        "state": secret.state,
        **explanation_document(secret.explanation),
    }
