"""Naming: definitions found by their id, or by the name that people gave them."""

from collections.abc import Sequence

from keyrelay.model.ids import is_id
from keyrelay.model.secret import SealedSecret
from keyrelay.stores.definitions.document_store import D, DocumentStore, StoredDocument
from keyrelay.stores.definitions.listing import MOST_LISTED, Listing, Noun
from keyrelay.stores.definitions.secrets import SecretStore


class UnknownName(Exception):
    """No definition of the profile has this name."""

    def __init__(self, noun: Noun, name: str) -> None:
        super().__init__(f"there is no {noun} {name!r}")
        self.noun = noun


class AmbiguousName(Exception):
    """Several definitions of the profile have this name; `ids` are theirs."""

    def __init__(self, name: str, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} are called {name!r}")
        self.ids = ids


async def find_secret(secrets: SecretStore, profile: str, name: str) -> SealedSecret:
    """Return the secret with that id or key.

    Raises UnknownName; NotFound for an id; Unavailable.
    """
    if is_id(name):
        return await secrets.get(profile, name)
    alike = await secrets.list(profile, Listing(name=name, amount=MOST_LISTED))
    for sealed in alike:
        if sealed.secret.key == name:
            return sealed
    raise UnknownName(Noun.SECRET, name)


async def find_definition(
    store: DocumentStore[D], profile: str, name: str
) -> StoredDocument:
    """Return the action or policy with that id or name.

    Raises UnknownName and AmbiguousName; NotFound for an id; Unavailable.
    """
    if is_id(name):
        return await store.get(profile, name)
    alike = await store.list(profile, Listing(name=name, amount=MOST_LISTED))
    found = [kept for kept in alike if kept.document.get("name") == name]
    match found:
        case [kept]:
            return kept
        case []:
            raise UnknownName(store.kind.noun, name)
        case _:
            raise AmbiguousName(name, [kept.id for kept in found])
