"""Explaining: whether an action or analysis may use a secret, and by which policy."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

from keyrelay.model.action import Action
from keyrelay.model.analysis import Analysis
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.kinds import ACCESS
from keyrelay.model.policy.policy import (
    Allowance,
    Denial,
    Explanation,
    PolicyIndex,
    explain,
    matching,
)
from keyrelay.model.policy.rule import Effect, Question, Rule
from keyrelay.services.naming import find_definition, find_secret
from keyrelay.stores.definitions.actions import ActionStore
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.secrets import SecretStore
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import id_of

_MOST_MATCHED = 20  # policies that are told of one question


class NotInCatalog(Exception):
    """The definition is stored, and no worker uses it; the message says why."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is to use a secret: an action or an analysis, by its id or name."""

    noun: Noun
    name: str


def asking(action: str | None, analysis: str | None) -> Asking:
    """Return which of the two is given. Raises InvalidDefinition unless one is."""
    match action, analysis:
        case str(), None:
            return Asking(Noun.ACTION, action)
        case None, str():
            return Asking(Noun.ANALYSIS, analysis)
        case _:
            raise InvalidDefinition("give either an action or an analysis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """`catalog` returns what a worker would see of the definitions now."""

    actions: ActionStore
    analyses: AnalysisStore
    secrets: SecretStore
    catalog: Callable[[], Awaitable[Catalog]]

    async def explain(self, profile: str, asks: Asking, secret: str) -> Explanation:
        """Decide as a worker would; both are given by id, or by name and key.

        Raises NotInCatalog, UnknownName, AmbiguousName, NotFound and Unavailable.
        """
        policies, question = await self._question(profile, asks, secret)
        return explain(policies, question.target, question.resource)

    async def tell(
        self, profile: str, asks: Asking, secret: str
    ) -> Mapping[str, object]:
        """Return the explanation for JSON, and what each policy that matches does.

        Raises as `explain`.
        """
        policies, question = await self._question(profile, asks, secret)
        explanation = explain(policies, question.target, question.resource)
        matched = _matched(policies, question)
        return {**explanation_document(explanation), "matched": matched}

    async def _question(
        self, profile: str, asks: Asking, secret: str
    ) -> tuple[PolicyIndex, Question]:
        target_id = await self._id_of(profile, asks)
        secret_id = secret_id_of(await find_secret(self.secrets, profile, secret))
        catalog = await self.catalog()
        target = target_in(catalog, asks.noun, profile, target_id)
        sealed = catalog.secrets.get((profile, secret_id))
        if (reason := catalog.omitted.profiles.get(profile)) is not None:
            raise NotInCatalog(reason)
        if target is None:
            raise NotInCatalog(catalog.absence(asks.noun, profile, target_id))
        if sealed is None:
            raise NotInCatalog(catalog.absence("secret", profile, secret_id))
        policies = catalog.policies_of(profile)
        return policies, Question.of(target.tagged, ACCESS, sealed.secret.tagged)

    async def _id_of(self, profile: str, asks: Asking) -> str:
        if asks.noun is Noun.ANALYSIS:
            found = await find_definition(self.analyses.documents, profile, asks.name)
        else:
            found = await find_definition(self.actions, profile, asks.name)
        return id_of(found)


def target_in(
    catalog: Catalog, noun: Noun, profile: str, id_: str
) -> Action | Analysis | None:
    """Return the action or analysis with that id, where the catalog has it."""
    if noun is Noun.ANALYSIS:
        scripted = catalog.analyses.get((profile, id_))
        return None if scripted is None else scripted.analysis
    return catalog.actions.get((profile, id_))


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


def _matched(policies: PolicyIndex, question: Question) -> Sequence[str]:
    """Say what the policies about both do: first what denies, last what has no say."""
    rules = islice(matching(policies, question), _MOST_MATCHED)
    ordered = sorted(rules, key=lambda rule: _weight(rule, question))
    return [*dict.fromkeys(_effect(rule, question) for rule in ordered)]


def _weight(rule: Rule, question: Question) -> tuple[bool, bool]:
    decides = rule.active and question.verb in rule.permission.verbs
    return not decides, rule.permission.effect is not Effect.DENY


def _effect(rule: Rule, question: Question) -> str:
    effect, verbs = rule.permission.effect, rule.permission.verbs
    if question.verb not in verbs:
        return f"{rule} is about {', '.join(sorted(verbs)) or 'nothing'} alone"
    does = "denies it" if effect is Effect.DENY else "allows it"
    return f"{rule} {does}" if rule.active else f"{rule} is inactive; else it {does}"
