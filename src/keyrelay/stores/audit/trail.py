"""Audit trail: what auditors read, and the check that nothing is missing from it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit_document import Document, columns_of, decode
from keyrelay.stores.audit.chain import (
    LABEL,
    Breach,
    ChainHead,
    Link,
    Mac,
    Opening,
    follow,
    reach,
    start,
)
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import CheckpointFile, CheckpointForged
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.tables import audit_chains, audit_records
from keyrelay.vault.vault import Vault

_CHUNK = 1000

_RECORDS = audit_records.c
_Chain = Row[tuple[str, int, int, bytes, int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which of a profile's records, newest first; what is None does not matter."""

    kind: str | None = None
    trigger: str | None = None
    action: str | None = None
    since: datetime | None = None
    page: int = 1
    amount: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """A record and its place in the chain; an unreadable one has no more than that."""

    chain: str
    seq: int
    id: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`breach` is the first that was found, in the order of chains and records."""

    records: int
    chains: int
    breach: Breach | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTrail:
    """Each method raises Unavailable while database or vault do not answer."""

    database: Database
    vault: Vault
    checkpoint: CheckpointFile

    async def list(self, profile: str, query: AuditQuery) -> tuple[TrailEntry, ...]:
        async with self.database.reading() as connection:
            rows = await connection.execute(_listed(profile, query))
            return tuple(_entry(row) for row in rows)

    async def get(self, profile: str, id_: str) -> TrailEntry:
        """Return the record, or raise NotFound."""
        wanted = select(audit_records).where(
            _RECORDS.profile == profile, _RECORDS.id == id_
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound("audit record", id_)
        return _entry(row)

    async def verify(
        self, checkpoints: Sequence[CheckpointFile] | None = None
    ) -> Verification:
        """Follow every chain, then compare with the checkpoints; None, with our own.

        Raises OSError too.
        """
        mac = await self.vault.authenticator(LABEL)
        signature = await self.vault.authenticator(CHECKPOINT)
        files = (self.checkpoint,) if checkpoints is None else checkpoints
        # Read before the chains: they can only grow meanwhile.
        try:
            known = await asyncio.to_thread(_heads_in, files, signature)
        except CheckpointForged as fault:
            return Verification(records=0, chains=0, breach=_breach("", str(fault)))
        async with self.database.reading() as connection:
            return await _verify(connection, mac, known)


def _listed(profile: str, query: AuditQuery) -> Select[tuple[object, ...]]:
    wanted = {
        _RECORDS.kind: query.kind,
        _RECORDS.trigger: query.trigger,
        _RECORDS.action: query.action,
    }
    statement = select(audit_records).where(_RECORDS.profile == profile)
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(column == value)
    if query.since is not None:
        statement = statement.where(_RECORDS.at >= query.since)
    newest = (_RECORDS.at.desc(), _RECORDS.chain.desc(), _RECORDS.seq.desc())
    skipped = (query.page - 1) * query.amount
    return statement.order_by(*newest).limit(query.amount).offset(skipped)


def _entry(row: Row[tuple[object, ...]]) -> TrailEntry:
    document = decode(row.document) or {"kind": row.kind, "id": row.id}
    return TrailEntry(chain=row.chain, seq=row.seq, id=row.id, document=document)


def _heads_in(files: Sequence[CheckpointFile], mac: Mac) -> Sequence[ChainHead] | None:
    """Return the heads in all the files; None, one of them is missing."""
    found = [file.read(mac) for file in files]
    if None in found:
        return None
    return [head for heads in found for head in heads or ()]


async def _verify(
    connection: AsyncConnection, mac: Mac, known: Sequence[ChainHead] | None
) -> Verification:
    ordered = select(audit_chains).order_by(audit_chains.c.number)
    chains = (await connection.execute(ordered)).all()
    records = 0
    for number, chain in enumerate(chains, start=1):
        if chain.number != number:
            breach: Breach | None = _breach(chain.id, "the chain before it is missing")
        else:
            before = chains[number - 2] if number > 1 else None
            breach = await _chain_breach(connection, mac, chain, before)
        if breach is not None:
            return Verification(records=records, chains=number - 1, breach=breach)
        records += chain.head_seq
    return Verification(
        records=records,
        chains=len(chains),
        breach=await _orphan(connection, {chain.id for chain in chains})
        or await _unreached(connection, known, some=bool(chains)),
    )


async def _chain_breach(
    connection: AsyncConnection, mac: Mac, chain: _Chain, before: _Chain | None
) -> Breach | None:
    after = before and ChainHead(
        chain=before.id, seq=chain.after_seq, mac=chain.after_mac
    )
    if after is not None and (breach := await _check(connection, after)) is not None:
        return breach
    head = start(mac, Opening(chain=chain.id, number=chain.number, after=after))
    async for rows in _chunks(connection, chain.id):
        found = follow(mac, head, [_link(row) for row in rows])
        if isinstance(found, Breach):
            return found
        head = found
        for row in rows:
            if not _columns_match(row):
                return _breach(
                    chain.id,
                    "its columns are not what its document says",
                    row.seq,
                    row.id,
                )
    kept = ChainHead(chain=chain.id, seq=chain.head_seq, mac=chain.head_mac)
    return reach(head, kept) or reach(kept, head)


async def _chunks(
    connection: AsyncConnection, chain: str
) -> AsyncIterator[Sequence[Row[tuple[object, ...]]]]:
    last = -1
    while True:
        chunk = (
            select(audit_records)
            .where(_RECORDS.chain == chain, _RECORDS.seq > last)
            .order_by(_RECORDS.seq)
            .limit(_CHUNK)
        )
        rows = (await connection.execute(chunk)).all()
        if not rows:
            return
        yield rows
        last = rows[-1].seq


async def _check(connection: AsyncConnection, head: ChainHead) -> Breach | None:
    """Check that the record of that head, known to have been written, is there."""
    found = await connection.scalar(
        select(_RECORDS.mac).where(
            _RECORDS.chain == head.chain, _RECORDS.seq == head.seq
        )
    )
    if found is not None:
        return reach(ChainHead(chain=head.chain, seq=head.seq, mac=found), head)
    last = await connection.scalar(
        select(_RECORDS.seq)
        .where(_RECORDS.chain == head.chain)
        .order_by(_RECORDS.seq.desc())
        .limit(1)
    )
    return reach(ChainHead(chain=head.chain, seq=last or 0, mac=b""), head)


async def _orphan(connection: AsyncConnection, known: Collection[str]) -> Breach | None:
    last = ""
    while True:
        # By the index from chain to chain, without reading all records in between.
        first = (
            select(_RECORDS.chain, _RECORDS.seq, _RECORDS.id)
            .where(_RECORDS.chain > last)
            .order_by(_RECORDS.chain, _RECORDS.seq)
            .limit(1)
        )
        row = (await connection.execute(first)).one_or_none()
        if row is None:
            return None
        if row.chain not in known:
            return _breach(row.chain, "it belongs to no chain", row.seq, row.id)
        last = row.chain


async def _unreached(
    connection: AsyncConnection, known: Sequence[ChainHead] | None, *, some: bool
) -> Breach | None:
    if known is None:
        return _breach("", "the checkpoint file is missing") if some else None
    for head in known:
        if (breach := await _check(connection, head)) is not None:
            return breach
    return None


def _link(row: Row[tuple[object, ...]]) -> Link:
    return Link(seq=row.seq, id=row.id, document=row.document, mac=row.mac)


def _columns_match(row: Row[tuple[object, ...]]) -> bool:
    columns = columns_of(decode(row.document) or {})
    return columns is not None and all(
        getattr(row, name) == said for name, said in asdict(columns).items()
    )


def _breach(chain: str, what: str, seq: int = 0, id_: str | None = None) -> Breach:
    return Breach(chain=chain, seq=seq, id=id_, what=what)
