"""Naming: what people write on a command line leads to one thing of the profile.

Ids can be cut short: the beginning of one, of four characters or more, stands for it
where no other begins so. Only the profile's own are looked at.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from keyrelay.databases.database import Database
from keyrelay.model.ids import SHORTEST_BEGINNING, Beginnings, is_beginning, is_id
from keyrelay.model.token import prefix_of
from keyrelay.stores.definitions.document_kind import D
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.listing import MOST_LISTED, Listing, Noun, Page
from keyrelay.stores.definitions.secrets import SecretStore, StoredSecret, key_of
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import AnyStored, id_of, name_of
from keyrelay.stores.definitions.tokens import TokenStore
from keyrelay.stores.installation import Profile, list_profiles
from keyrelay.stores.refusals import NotFound

# Returns the ids of a profile that begin so, sorted, and not more than are enough.
FindIds = Callable[[str, Beginnings], Awaitable[Sequence[str]]]

_ALL = Page(amount=MOST_LISTED)
_MOST_NAMED = 5  # ids in one sentence


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


class AmbiguousBeginning(Exception):
    """Several ids begin so, or one does and another's name is that."""

    def __init__(self, beginning: str, ids: Sequence[str]) -> None:
        named = ", ".join(ids[:_MOST_NAMED])
        more = " and more" if len(ids) > _MOST_NAMED else ""
        super().__init__(
            f"{beginning!r} stands for more than one: {named}{more}; write more of the"
            " id that you mean"
        )


async def find_secret(secrets: SecretStore, profile: str, name: str) -> StoredSecret:
    """Return the secret with that id or key, perhaps one that cannot be read.

    Raises UnknownName and AmbiguousBeginning; NotFound for an id; Unavailable.
    """
    if is_id(name):
        return await secrets.get(profile, name)
    alike = await secrets.list(profile, Listing(name=name, page=_ALL))
    named = [secret_id_of(each) for each in alike if key_of(each) == name]
    ids = await _with_beginning(secrets.beginning, profile, name, named)
    if not ids:
        raise UnknownName(Noun.SECRET, name)
    return await secrets.get(profile, ids[0])


async def find_definition(
    store: DocumentStore[D], profile: str, name: str
) -> AnyStored:
    """Return the action or policy with that id or name, perhaps an unreadable one.

    Raises UnknownName, AmbiguousName, AmbiguousBeginning; NotFound for an id;
    Unavailable.
    """
    if is_id(name):
        return await store.get(profile, name)
    alike = await store.list(profile, Listing(name=name, page=_ALL))
    named = [id_of(kept) for kept in alike if name_of(kept) == name]
    if len(named) > 1:
        raise AmbiguousName(name, named)
    ids = await _with_beginning(store.beginning, profile, name, named)
    if not ids:
        raise UnknownName(store.kind.noun, name)
    return await store.get(profile, ids[0])


async def find_token(tokens: TokenStore, profile: str, name: str) -> str:
    """Return the id of the token with that id, name or prefix.

    Raises UnknownName, AmbiguousName, AmbiguousBeginning and Unavailable.
    """
    if is_id(name):
        return name
    named = await tokens.called(profile, name)
    if len(named) > 1:
        raise AmbiguousName(name, named)
    ids = await _with_beginning(tokens.beginning, profile, name, named)
    if not ids:
        # What was given may be a whole plaintext: of that, the prefix is enough.
        raise UnknownName(Noun.TOKEN, prefix_of(name))
    return ids[0]


async def find_profile(database: Database, name: str) -> Profile:
    """Return the profile with that name or id.

    Raises NotFound, AmbiguousBeginning and Unavailable.
    """
    known = {each.id: each for each in await list_profiles(database)}
    named = [each.id for each in known.values() if name in (each.id, each.name)]
    begun = [id_ for id_ in known if is_beginning(name) and id_.startswith(name)]
    ids = _only(name, {*named, *begun})
    if not ids:
        raise NotFound("profile", name)
    return known[ids[0]]


async def whole_id(find: FindIds, profile: str, given: str) -> str:
    """Return the id that Keyrelay made and that begins so; without one, what was given.

    An id that a producer chose may be the beginning of another, and an act that is
    meant for the one must not reach the other: those stand for themselves. Raises
    AmbiguousBeginning and Unavailable.
    """
    if not is_beginning(given):
        return given
    found = await find(profile, Beginnings((given,), _MOST_NAMED + 1))
    if given in found:
        return given
    return next(filter(is_id, _only(given, found)), given)


async def whole_ids(find: FindIds, profile: str, given: Iterable[str]) -> Sequence[str]:
    """Return each one's whole id, as `whole_id` does, and raise as it does."""
    return [await whole_id(find, profile, each) for each in given]


async def find_trigger(finds: Iterable[FindIds], profile: str, given: str) -> str:
    """Return the id of a trigger to look at, wherever one is known that begins so.

    Without one, return what was given. Raises AmbiguousBeginning and Unavailable.
    """
    if is_id(given) or len(given) < SHORTEST_BEGINNING or not given.isascii():
        return given
    sought = Beginnings((given,), _MOST_NAMED + 1)
    found = {id_ for find in finds for id_ in await find(profile, sought)}
    return given if given in found else next(iter(_only(given, found)), given)


async def _with_beginning(
    find: FindIds, profile: str, name: str, named: Sequence[str]
) -> Sequence[str]:
    """Return the id of what has the name, or whose id begins so; none, or one."""
    if not is_beginning(name):
        return named
    begun = await find(profile, Beginnings((name,), _MOST_NAMED + 1))
    return _only(name, {*named, *begun})


def _only(given: str, ids: Iterable[str]) -> Sequence[str]:
    found = sorted(ids)
    if len(found) > 1:
        raise AmbiguousBeginning(given, found)
    return found
