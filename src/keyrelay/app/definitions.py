"""Definitions: the stores of what administrators write, as the settings say."""

from dataclasses import dataclass

from keyrelay.app.channels import action_rules, secret_rules
from keyrelay.app.settings import Settings
from keyrelay.databases.database import Database
from keyrelay.stores.definitions.actions import ActionStore, action_store
from keyrelay.stores.definitions.analyses import AnalysisStore, analysis_store
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.policies import PolicyStore, policy_store
from keyrelay.stores.definitions.secrets import SecretStore
from keyrelay.stores.definitions.tokens import TokenStore


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionStores:
    secrets: SecretStore
    actions: ActionStore
    policies: PolicyStore
    analyses: AnalysisStore
    tokens: TokenStore


def definition_stores(
    settings: Settings, database: Database, journal: Journal
) -> DefinitionStores:
    rules = action_rules(settings)
    return DefinitionStores(
        secrets=SecretStore(
            database=database,
            journal=journal,
            rules=secret_rules(settings),
            actions=rules,
        ),
        actions=action_store(database, journal, rules),
        policies=policy_store(database, journal),
        analyses=analysis_store(database, journal),
        tokens=TokenStore(database=database, journal=journal),
    )
