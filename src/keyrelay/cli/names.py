"""Names: things are called by id, or by the name that people gave them."""

from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import Session
from keyrelay.model.ids import is_id
from keyrelay.model.secret import SealedSecret
from keyrelay.stores.definitions.document_store import D, DocumentStore, StoredDocument
from keyrelay.stores.definitions.listing import MOST_LISTED, Listing
from keyrelay.stores.refusals import NotFound


async def secret_called(session: Session, name: str) -> SealedSecret:
    """Return the secret of that id or key, or raise NotFound."""
    secrets = session.store.definitions.secrets
    profile = session.profile.id
    if is_id(name):
        return await secrets.get(profile, name)
    alike = await secrets.list(profile, Listing(name=name, amount=MOST_LISTED))
    for sealed in alike:
        if sealed.secret.key == name:
            return sealed
    raise NotFound("secret", f"{name!r}: `keyrelay secret list` shows those there are")


async def definition_called(
    session: Session, store: DocumentStore[D], name: str
) -> StoredDocument:
    """Return the definition of that id or unique name. Raises NotFound or Refused."""
    profile, noun = session.profile.id, store.kind.noun
    if is_id(name):
        return await store.get(profile, name)
    alike = await store.list(profile, Listing(name=name, amount=MOST_LISTED))
    found = [kept for kept in alike if kept.document.get("name") == name]
    match found:
        case [kept]:
            return kept
        case []:
            where = f"`keyrelay {noun} list` shows those there are"
            raise NotFound(noun, f"{name!r}: {where}")
        case _:
            ids = ", ".join(kept.id for kept in found[:5])
            raise Refused(f"{len(found)} are called {name!r}; say which by id: {ids}")


async def action_called(session: Session, name: str | None) -> str | None:
    """Return the id of the action that was named, if one was."""
    if name is None:
        return None
    actions = session.store.definitions.actions
    return (await definition_called(session, actions, name)).id
