"""Actions: stored as they were sent, checked against what they refer to."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.action import Action
from keyrelay.model.action_document import ActionRules
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.run_analyses import RunAnalyses
from keyrelay.stores.definitions.analysis_users import require_analyses
from keyrelay.stores.definitions.document_kind import DocumentKind, Orders
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.schema.tables import secrets

ActionStore = DocumentStore[Action]


def action_store(
    database: Database, journal: Journal, rules: ActionRules
) -> ActionStore:
    return DocumentStore(
        database=database,
        journal=journal,
        kind=DocumentKind(
            noun=Noun.ACTION,
            parse=rules.parse_written,
            columns=_columns,
            check=partial(_check, rules),
            orders=Orders(last_time="last_triggered"),
        ),
    )


def _columns(action: Action) -> Mapping[str, object]:
    return {"secret": action.instruction.secret}


async def _check(
    rules: ActionRules, connection: AsyncConnection, action: Action
) -> None:
    """Raise InvalidDefinition for an action that could never be delivered."""
    instruction = action.instruction
    if isinstance(instruction, RunAnalyses):
        await require_analyses(connection, action.tagged.profile, instruction.analyses)
    if instruction.secret is not None:
        await _check_secret(rules, connection, action, instruction.secret)


async def _check_secret(
    rules: ActionRules, connection: AsyncConnection, action: Action, id_: str
) -> None:
    wanted = select(secrets.c.type, secrets.c.fifo).where(
        secrets.c.profile == action.tagged.profile,
        secrets.c.id == id_,
    )
    secret = (await connection.execute(wanted)).one_or_none()
    if secret is None:
        raise InvalidDefinition(f"there is no secret {id_}")
    needed = rules.types[action.channel].secret
    if needed is not None and secret.type != needed.name:
        raise InvalidDefinition(
            f"an action of type {action.channel} needs a secret of type {needed.name},"
            f" {id_} is of type {secret.type}"
        )
    action.instruction.check(fifo=secret.fifo)
