"""Policies: stored as they were sent."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.policy.policy import Policy
from keyrelay.model.policy.policy_document import parse_policy, require_possible
from keyrelay.stores.definitions.document_kind import DocumentKind
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import Noun

PolicyStore = DocumentStore[Policy]


def policy_store(database: Database, journal: Journal) -> PolicyStore:
    return DocumentStore(
        database=database,
        journal=journal,
        kind=DocumentKind(
            noun=Noun.POLICY,
            parse=parse_policy,
            columns=_columns,
            check=_check,
        ),
    )


def _columns(_: Policy) -> Mapping[str, object]:
    return {}


async def _check(_: AsyncConnection, policy: Policy) -> None:
    """Raise InvalidDefinition for what can never match.

    A policy may name what does not exist yet.
    """
    require_possible(policy)
