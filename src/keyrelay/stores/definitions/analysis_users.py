"""Analysis users: the actions that ask for runs of an analysis."""

import json
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.stores.refusals import InUse
from keyrelay.stores.schema.tables import actions, analyses

_MOST_NAMED = 3


async def require_analyses(
    connection: AsyncConnection, profile: str, ids: Sequence[str]
) -> None:
    """Raise InvalidDefinition unless all of them are there."""
    there = select(analyses.c.id).where(
        analyses.c.profile == profile, analyses.c.id.in_(ids)
    )
    found = {*await connection.scalars(there)}
    for id_ in ids:
        if id_ not in found:
            raise InvalidDefinition(f"there is no analysis {id_}")


async def refuse_analysis_in_use(
    connection: AsyncConnection, profile: str, analysis: str
) -> None:
    """Raise InUse if actions ask for runs of the analysis."""
    mentioning = (
        select(actions.c.name, actions.c.document)
        .where(
            actions.c.profile == profile,
            actions.c.secret.is_(None),
            actions.c.document.contains(json.dumps(analysis)),
        )
        .order_by(actions.c.folded)
    )
    names = [
        repr(name)
        for name, document in await connection.execute(mentioning)
        if analysis in _analyses_of(document)
    ]
    if names:
        more = " and others" if len(names) > _MOST_NAMED else ""
        raise InUse(
            f"actions run this analysis: {', '.join(names[:_MOST_NAMED])}{more};"
            " edit or delete them first"
        )


def _analyses_of(document: str) -> Sequence[object]:
    try:
        match parse_document(document).get("action"):
            case {"script": list(ids)}:
                return ids
            case _:
                return ()
    except InvalidDefinition:  # no worker can read it
        return ()
