"""Definition index: which definitions a profile has, authenticated as a whole."""

import hmac
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.seals import (
    IndexEntry,
    IndexHead,
    SealKeys,
    head_seal,
    message_of,
)
from keyrelay.stores.schema.tables import (
    actions,
    analyses,
    definition_entries,
    definition_heads,
    policies,
    secrets,
    tokens,
)
from keyrelay.stores.unreadable import AnyRow
from keyrelay.vault import set_hash

TABLES: Mapping[Noun, Table] = {
    Noun.SECRET: secrets,
    Noun.ACTION: actions,
    Noun.POLICY: policies,
    Noun.ANALYSIS: analyses,
    Noun.TOKEN: tokens,
}
NOUNS = {noun.value: noun for noun in Noun}

_ENTRIES, _HEADS = definition_entries.c, definition_heads.c

Subject = tuple[Noun, str]  # the noun and the id of a definition


class IndexBroken(Exception):
    """A profile's index is not what was written: it vouches for no definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionIndex:
    """A profile's index as it was read; `broken` says why it vouches for nothing."""

    head: IndexHead = field(default_factory=IndexHead)
    entries: Mapping[Subject, IndexEntry] = field(default_factory=dict)
    broken: str | None = None

    def entry(self, subject: Subject) -> IndexEntry | None:
        return None if self.broken else self.entries.get(subject)


async def read_head(
    connection: AsyncConnection, keys: SealKeys, profile: str
) -> IndexHead:
    """Return the head of a profile's index. Raises IndexBroken."""
    wanted = select(definition_heads).where(_HEADS.profile == profile)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise IndexBroken("no index vouches for its definitions")
    counts = IndexHead(generation=row.generation, count=row.entries)
    seal = head_seal(keys, profile, counts, row.nonce, row.masked)
    if not hmac.compare_digest(seal, row.mac):
        raise IndexBroken("the head of its index was edited outside Keyrelay")
    return replace(counts, total=set_hash.unmasked(keys.set, row.masked, row.nonce))


async def generation_in(connection: AsyncConnection, profile: str) -> int:
    """Return the generation that stands in the head, whether it is true or not."""
    wanted = select(_HEADS.generation).where(_HEADS.profile == profile)
    generation = await connection.scalar(wanted)
    return generation if isinstance(generation, int) else 0


async def read_index(
    connection: AsyncConnection, keys: SealKeys, profile: str
) -> DefinitionIndex:
    """Read the whole index of a profile."""
    try:
        head = await read_head(connection, keys, profile)
    except IndexBroken as broken:
        return DefinitionIndex(broken=str(broken))
    rows = await connection.execute(
        select(definition_entries).where(_ENTRIES.profile == profile)
    )
    entries = {(NOUNS[row.noun], row.id): _read(row) for row in rows}
    return _judged(keys, profile, head, entries, _total(keys, profile, entries))


async def read_index_changes(
    connection: AsyncConnection,
    keys: SealKeys,
    profile: str,
    before: DefinitionIndex,
    changed: Iterable[Subject],
) -> DefinitionIndex:
    """Read what has changed in an index that was read before."""
    if before.broken:
        return await read_index(connection, keys, profile)
    try:
        head = await read_head(connection, keys, profile)
    except IndexBroken as broken:
        return DefinitionIndex(broken=str(broken))
    subjects = list(dict.fromkeys(changed))
    old = {each: before.entries[each] for each in subjects if each in before.entries}
    new = {}
    for subject in subjects:
        entry = await find_entry(connection, profile, subject)
        if entry is not None:
            new[subject] = entry
    total = set_hash.remove(keys.set, before.head.total, _messages(keys, profile, old))
    total = set_hash.add(keys.set, total, _messages(keys, profile, new))
    entries = {k: v for k, v in before.entries.items() if k not in old} | new
    index = _judged(keys, profile, head, entries, total)
    # What else has changed is named by reading it all.
    return await read_index(connection, keys, profile) if index.broken else index


async def find_entry(
    connection: AsyncConnection, profile: str, subject: Subject
) -> IndexEntry | None:
    wanted = select(definition_entries).where(
        _ENTRIES.profile == profile, is_subject(subject)
    )
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else _read(row)


async def subjects_of(
    connection: AsyncConnection, profile: str
) -> AsyncIterator[Subject]:
    for noun, table in TABLES.items():
        wanted = select(table.c.id).where(table.c.profile == profile)
        for id_ in (await connection.scalars(wanted)).all():
            yield noun, id_


def _judged(
    keys: SealKeys,
    profile: str,
    head: IndexHead,
    entries: Mapping[Subject, IndexEntry],
    total: int,
) -> DefinitionIndex:
    whole = head.count == len(entries) and head.total == total
    what = "entries of its index were put in, taken out, edited or put back"
    return DefinitionIndex(
        head=head, entries=entries, broken=None if whole else f"{what} outside Keyrelay"
    )


def _total(keys: SealKeys, profile: str, entries: Mapping[Subject, IndexEntry]) -> int:
    return set_hash.add(keys.set, 0, _messages(keys, profile, entries))


def _messages(
    keys: SealKeys, profile: str, entries: Mapping[Subject, IndexEntry]
) -> Iterable[bytes]:
    for subject, entry in entries.items():
        yield message_of(keys, profile, subject, entry)


def is_subject(subject: Subject) -> ColumnElement[bool]:
    noun, id_ = subject
    return and_(_ENTRIES.noun == noun, _ENTRIES.id == id_)


def _read(row: AnyRow) -> IndexEntry:
    return IndexEntry(generation=row.generation, seal=row.seal, denies=bool(row.denies))
