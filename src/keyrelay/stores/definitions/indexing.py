"""Indexing: the index of a profile's definitions, kept with each change of one."""

import os
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.stores.definitions.definition_index import (
    TABLES,
    Subject,
    find_entry,
    is_subject,
    read_head,
)
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.seals import (
    IndexEntry,
    IndexHead,
    SealKeys,
    entry_for,
    head_seal,
    message_of,
)
from keyrelay.stores.schema.tables import definition_entries, definition_heads
from keyrelay.vault import set_hash

_BLANK = {"generation": 0, "entries": 0, "nonce": b"", "masked": b"", "mac": b""}

_ENTRIES, _HEADS = definition_entries.c, definition_heads.c


async def create_index(
    connection: AsyncConnection, keys: SealKeys, profile: str
) -> None:
    """Write the empty index of a new profile."""
    await connection.execute(insert(definition_heads).values(profile=profile, **_BLANK))
    await _write_head(connection, keys, profile, IndexHead())


async def note_change(
    connection: AsyncConnection, keys: SealKeys, profile: str, subject: Subject
) -> int:
    """Seal the definition as its row stands now; without a row, take it out.

    Its cost does not depend on how many definitions there are. Returns the profile's
    new generation; raises IndexBroken.
    """
    head = await read_head(connection, keys, profile)
    before = await find_entry(connection, profile, subject)
    after = await _sealed(connection, keys, profile, subject, head.generation + 1)
    total = head.total
    if before is not None:
        gone = message_of(keys, profile, subject, before)
        total = set_hash.remove(keys.set, total, [gone])
        await connection.execute(delete(definition_entries).where(is_subject(subject)))
    if after is not None:
        new = message_of(keys, profile, subject, after)
        total = set_hash.add(keys.set, total, [new])
        row = _entry_row(profile, subject, after)
        await connection.execute(insert(definition_entries).values(row))
    count = head.count - (before is not None) + (after is not None)
    changed = IndexHead(generation=head.generation + 1, count=count, total=total)
    await _write_head(connection, keys, profile, changed)
    return changed.generation


async def rebuild(
    connection: AsyncConnection, keys: SealKeys, profile: str, generation: int
) -> int:
    """Seal all definitions of a profile as they stand, in a new index.

    Returns how many there are. A value that no definition holds raises ValueError or
    TypeError.
    """
    await connection.execute(
        delete(definition_entries).where(_ENTRIES.profile == profile)
    )
    await connection.execute(delete(definition_heads).where(_HEADS.profile == profile))
    head = IndexHead(generation=generation)
    for noun in TABLES:
        entries = await _seal_all(connection, keys, profile, noun, generation)
        messages = [message_of(keys, profile, each, entries[each]) for each in entries]
        total = set_hash.add(keys.set, head.total, messages)
        head = replace(head, count=head.count + len(entries), total=total)
    await connection.execute(insert(definition_heads).values(profile=profile, **_BLANK))
    await _write_head(connection, keys, profile, head)
    return head.count


async def _sealed(
    connection: AsyncConnection,
    keys: SealKeys,
    profile: str,
    subject: Subject,
    generation: int,
) -> IndexEntry | None:
    """Write the seal into the row; None, there is no row."""
    noun, id_ = subject
    table = TABLES[noun]
    wanted = select(table).where(table.c.profile == profile, table.c.id == id_)
    row = (await connection.execute(wanted)).mappings().one_or_none()
    if row is None:
        return None
    entry = entry_for(keys, noun, dict(row), generation)
    await connection.execute(
        update(table)
        .where(table.c.profile == profile, table.c.id == id_)
        .values(generation=generation, mac=entry.seal)
    )
    return entry


async def _seal_all(
    connection: AsyncConnection,
    keys: SealKeys,
    profile: str,
    noun: Noun,
    generation: int,
) -> dict[Subject, IndexEntry]:
    """Write the seals of all rows of a noun into rows and entries, many at a time."""
    table = TABLES[noun]
    found = await connection.execute(select(table).where(table.c.profile == profile))
    entries = {
        (noun, str(row["id"])): entry_for(keys, noun, dict(row), generation)
        for row in found.mappings().all()
    }
    if not entries:
        return entries
    # An id may stand in the index of another profile.
    gone = delete(definition_entries).where(
        _ENTRIES.noun == noun.value, _ENTRIES.id == bindparam("of_id")
    )
    await connection.execute(gone, [{"of_id": id_} for _, id_ in entries])
    rows = [_entry_row(profile, each, entries[each]) for each in entries]
    await connection.execute(insert(definition_entries), rows)
    sealed = update(table).where(table.c.id == bindparam("of_id"))
    sealed = sealed.values(generation=generation, mac=bindparam("seal"))
    seals = [{"of_id": id_, "seal": each.seal} for (_, id_), each in entries.items()]
    await connection.execute(sealed, seals)
    return entries


async def _write_head(
    connection: AsyncConnection, keys: SealKeys, profile: str, head: IndexHead
) -> None:
    nonce = os.urandom(set_hash.NONCE_SIZE)
    masked = set_hash.masked(keys.set, head.total, nonce)
    await connection.execute(
        update(definition_heads)
        .where(_HEADS.profile == profile)
        .values(
            generation=head.generation,
            entries=head.count,
            nonce=nonce,
            masked=masked,
            mac=head_seal(keys, profile, head, nonce, masked),
        )
    )


def _entry_row(profile: str, subject: Subject, entry: IndexEntry) -> dict[str, object]:
    noun, id_ = subject
    return {
        "noun": noun.value,
        "id": id_,
        "profile": profile,
        "generation": entry.generation,
        "seal": entry.seal,
        "denies": entry.denies,
    }
