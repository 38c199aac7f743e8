"""Secret users: the actions that refer to a secret."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.action_document import ActionRules
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.stores.refusals import InUse
from keyrelay.stores.schema.tables import actions

_MOST_NAMED = 3


async def require_fifo_fits(
    connection: AsyncConnection, rules: ActionRules, profile: str, secret: str
) -> None:
    """Refuse a FIFO queue for a standard one if an action does not fit it.

    Raises InvalidDefinition.
    """
    referring = select(actions.c.id, actions.c.name, actions.c.document).where(
        actions.c.profile == profile, actions.c.secret == secret
    )
    for action_id, name, document in await connection.execute(referring):
        try:
            action = rules.parse(parse_document(document), action_id, profile)
            action.instruction.check(fifo=True)
        except InvalidDefinition as fault:
            raise InvalidDefinition(f"action {name!r}: {fault}") from None


async def refuse_in_use(connection: AsyncConnection, profile: str, secret: str) -> None:
    """Raise InUse if actions refer to the secret."""
    referring = (
        select(actions.c.name)
        .where(actions.c.profile == profile, actions.c.secret == secret)
        .order_by(actions.c.folded)
        .limit(_MOST_NAMED + 1)
    )
    names = [repr(name) for name in await connection.scalars(referring)]
    if names:
        more = " and others" if len(names) > _MOST_NAMED else ""
        raise InUse(
            f"actions use this secret: {', '.join(names[:_MOST_NAMED])}{more};"
            " edit or delete them first"
        )
