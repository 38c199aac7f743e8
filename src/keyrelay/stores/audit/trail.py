"""Audit trail: the records as auditors read them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit_document import Document
from keyrelay.model.cursor import Cursor
from keyrelay.model.documents import parse_document
from keyrelay.model.ids import Beginnings
from keyrelay.stores.audit.chain import LABEL, Breach, Mac, breach_at
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import (
    Checkpoint,
    CheckpointFile,
    CheckpointForged,
    Generations,
)
from keyrelay.stores.audit.record_query import AuditQuery, listed, place_of
from keyrelay.stores.audit.verification import (
    Tally,
    Verification,
    find_breaches,
)
from keyrelay.stores.definitions.definition_index import generation_in
from keyrelay.stores.definitions.guard import recorded_generation
from keyrelay.stores.definitions.seals import seal_keys
from keyrelay.stores.integrity import check_seals
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import audit_chains, audit_records, profiles
from keyrelay.stores.unreadable import (
    AnyRow,
    Slice,
    UnreadableRow,
    read_all,
    read_rows,
)
from keyrelay.vault.vault import Vault

_RECORDS = audit_records.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """A record and its place in the chain; of an unreadable one, its row.

    `at` is None where it cannot be read.
    """

    chain: str
    seq: int
    id: str
    at: datetime | None
    document: Document

    @property
    def place(self) -> Cursor | None:
        """Its place in lists, after which they go on."""
        return None if self.at is None else place_of(self.at, self.chain, self.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTrail:
    """Each method raises Unavailable while database or vault do not answer."""

    database: Database
    vault: Vault
    checkpoint: CheckpointFile

    async def list(self, profile: str, query: AuditQuery) -> tuple[TrailEntry, ...]:
        """Return the records; one that cannot be read hides no others.

        What is recorded meanwhile moves none of them. Raises InvalidDefinition for an
        `after` that is no place in such a list.
        """
        wanted, page = listed(profile, query), Slice(0, query.amount)
        async with self.database.reading() as connection:
            found = await read_rows(connection, wanted, page, _entry)
        return tuple(map(_told, found))

    async def get(self, profile: str, id_: str) -> TrailEntry:
        """Return the record, or raise NotFound."""
        for entry in await self.read(profile, [id_]):
            return entry
        raise NotFound("audit record", id_)

    async def read(self, profile: str, ids: Sequence[str]) -> Sequence[TrailEntry]:
        """Return the records of these ids that are there, in the order of the ids."""
        wanted = select(audit_records).where(
            _RECORDS.profile == profile, _RECORDS.id.in_(ids)
        )
        async with self.database.reading() as connection:
            found = await read_all(connection, wanted, {}, _entry)
        by_id = {entry.id: entry for entry in map(_told, found)}
        return [by_id[id_] for id_ in ids if id_ in by_id]

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of records that begin so, sorted."""
        return await ids_beginning(self.database, _RECORDS.id, profile, sought)

    async def triggers_beginning(
        self, profile: str, sought: Beginnings
    ) -> Sequence[str]:
        """Return the ids of attempted triggers that begin so, sorted."""
        trigger = _RECORDS.trigger
        return await ids_beginning(self.database, trigger, profile, sought)

    async def extent(self) -> Tally:
        """Return how many chains there are, and records, as they say themselves."""
        chains = audit_chains.c
        counted = select(func.count(chains.id), func.sum(chains.head_seq))
        async with self.database.reading() as connection:
            count, records = (await connection.execute(counted)).one()
        return Tally(records=int(records or 0), chains=count)

    async def verify(
        self, checkpoints: Sequence[CheckpointFile] | None = None
    ) -> Verification:
        """Follow every chain, then compare with the checkpoints; None, with our own.

        Raises OSError too.
        """
        tally = Tally()
        async with aclosing(self.breaches(tally, checkpoints)) as found:
            breach = await anext(found, None)
        return Verification(records=tally.records, chains=tally.chains, breach=breach)

    async def breaches(
        self, tally: Tally, checkpoints: Sequence[CheckpointFile] | None = None
    ) -> AsyncGenerator[Breach, None]:
        """Yield all that is wrong, the chains' first. Raises as `verify`."""
        mac = await self.vault.authenticator(LABEL)
        signature = await self.vault.authenticator(CHECKPOINT)
        files = (self.checkpoint,) if checkpoints is None else checkpoints
        # Read before the chains: they can only grow meanwhile.
        known: Checkpoint | None = Checkpoint(heads=(), generations={})
        try:
            known = await asyncio.to_thread(_noted_in, files, signature)
        except CheckpointForged as fault:
            yield breach_at("", str(fault))
        heads = None if known is None else known.heads
        async with (
            self.database.reading() as connection,
            aclosing(find_breaches(connection, mac, heads, tally)) as found,
        ):
            async for breach in found:
                yield breach
        noted = {} if known is None else known.generations
        async with aclosing(self._definition_breaches(noted)) as found:
            async for breach in found:
                yield breach

    async def _definition_breaches(
        self, noted: Generations
    ) -> AsyncGenerator[Breach, None]:
        """Compare the definitions with their index, and that with the records."""
        keys = await seal_keys(self.vault)
        async with aclosing(check_seals(self.database, keys, noted)) as checked:
            async for each in checked:
                if each.flaw is not None:
                    which = f"{each.noun} {each.id} of profile {each.profile}"
                    yield breach_at("", f"{which}: {each.flaw}")
        async with self.database.reading() as connection:
            async for breach in _unrecorded(connection):
                yield breach


def _entry(row: AnyRow) -> TrailEntry:
    document = parse_document(str(row.document))
    if not isinstance(row.at, datetime):
        raise TypeError
    return TrailEntry(
        chain=row.chain, seq=row.seq, id=row.id, at=row.at, document=document
    )


def _told(entry: TrailEntry | UnreadableRow) -> TrailEntry:
    """Return the entry; of a row that cannot be read, what stands in it."""
    if isinstance(entry, TrailEntry):
        return entry
    seq = entry.text("seq")
    return TrailEntry(
        chain=entry.text("chain"),
        seq=int(seq) if seq.isdecimal() else 0,
        id=entry.text("id"),
        at=entry.instant("at"),
        document={
            "kind": entry.text("kind"),
            "unreadable": entry.reason,
            "stored": entry.document,
        },
    )


async def _unrecorded(connection: AsyncConnection) -> AsyncGenerator[Breach, None]:
    """Look for profiles whose definitions have changed without a record."""
    for profile in (await connection.scalars(select(profiles.c.id))).all():
        # A profile may have been made before there was an index.
        recorded = max(0, await recorded_generation(connection, profile, None))
        changed = await generation_in(connection, profile)
        if recorded != changed:
            what = f"of generation {changed}, and the last record of {recorded}"
            breach = breach_at("", f"the definitions of profile {profile} are {what}")
            yield replace(breach, profile=profile)


def _noted_in(files: Sequence[CheckpointFile], mac: Mac) -> Checkpoint | None:
    """Return what stands in all the files; None, one of them is missing."""
    found = [file.read(mac) for file in files]
    if None in found:
        return None
    heads = tuple(head for noted in found if noted for head in noted.heads)
    generations: dict[str, int] = {}
    for noted in found:
        for profile, number in (noted.generations if noted else {}).items():
            generations[profile] = max(number, generations.get(profile, 0))
    return Checkpoint(heads=heads, generations=generations)
