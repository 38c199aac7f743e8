"""Secret uses: `keyrelay secret uses`, which actions and analyses use a secret."""

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from keyrelay.app.store import read_catalog
from keyrelay.cli.columns import actions, analyses, other_id, text, word
from keyrelay.cli.options import AsJson, Limit
from keyrelay.cli.output import Document
from keyrelay.cli.pagination import list_all
from keyrelay.cli.session import Session
from keyrelay.services.naming import find_secret
from keyrelay.services.secret_uses import secret_uses, use_document
from keyrelay.stores.definitions.secrets import id_of

_COLUMNS = (
    other_id("action", actions),
    other_id("analysis", analyses),
    text("name"),
    word("released"),
    text("reason"),
)


def uses(
    ctx: typer.Context,
    *,
    secret: Annotated[str, typer.Argument(metavar="SECRET", help="Its id or its key.")],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List actions that refer to a secret, and analyses that policies let read it."""

    async def rows(session: Session, limit: int | None) -> AsyncIterator[Document]:
        store, profile = session.store, session.profile.id
        secrets = store.definitions.secrets
        id_ = id_of(await find_secret(secrets, profile, secret))
        found = await secret_uses(secrets, await read_catalog(store), profile, id_)
        for use in found[:limit]:
            yield use_document(use)

    list_all(ctx, rows, _COLUMNS, limit, as_json=as_json)
