"""Naming: definitions found by their id, or by the name that people gave them."""

from collections.abc import Sequence

from keyrelay.model.ids import is_id
from keyrelay.stores.definitions.document_store import (
    AnyStored,
    D,
    DocumentStore,
    id_of,
    name_of,
)
from keyrelay.stores.definitions.listing import MOST_LISTED, Listing, Noun
from keyrelay.stores.definitions.secrets import SecretStore, StoredSecret, key_of


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


async def find_secret(secrets: SecretStore, profile: str, name: str) -> StoredSecret:
    """Return the secret with that id or key, perhaps one that cannot be read.

    Raises UnknownName; NotFound for an id; Unavailable.
    """
    if is_id(name):
        return await secrets.get(profile, name)
    alike = await secrets.list(profile, Listing(name=name, amount=MOST_LISTED))
    for sealed in alike:
        if key_of(sealed) == name:
            return sealed
    raise UnknownName(Noun.SECRET, name)


async def find_definition(
    store: DocumentStore[D], profile: str, name: str
) -> AnyStored:
    """Return the action or policy with that id or name, perhaps an unreadable one.

    Raises UnknownName and AmbiguousName; NotFound for an id; Unavailable.
    """
    if is_id(name):
        return await store.get(profile, name)
    alike = await store.list(profile, Listing(name=name, amount=MOST_LISTED))
    found = [kept for kept in alike if name_of(kept) == name]
    match found:
        case [kept]:
            return kept
        case []:
            raise UnknownName(store.kind.noun, name)
        case _:
            raise AmbiguousName(name, [id_of(kept) for kept in found])
