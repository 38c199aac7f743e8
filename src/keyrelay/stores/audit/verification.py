"""Verification: the proof that nothing is missing from the audit trail.

It follows every chain from record to record, then looks for what no chain holds.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import columns_of, decode
from keyrelay.stores.audit.chain import (
    Breach,
    ChainHead,
    Link,
    Mac,
    Opening,
    follow,
    reach,
    start,
)
from keyrelay.stores.schema.tables import audit_chains, audit_records

_CHUNK = 1000

_RECORDS = audit_records.c
_Chain = Row[tuple[str, int, int, bytes, int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`breach` is the first that was found, in the order of chains and records."""

    records: int
    chains: int
    breach: Breach | None


async def verify_chains(
    connection: AsyncConnection, mac: Mac, known: Sequence[ChainHead] | None
) -> Verification:
    """Follow every chain, then check that each has reached its `known` head.

    None stands for a checkpoint that is missing.
    """
    ordered = select(audit_chains).order_by(audit_chains.c.number)
    chains = (await connection.execute(ordered)).all()
    records = 0
    for number, chain in enumerate(chains, start=1):
        if chain.number != number:
            breach: Breach | None = breach_at(
                chain.id, "the chain before it is missing"
            )
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
                return breach_at(
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
            return breach_at(row.chain, "it belongs to no chain", row.seq, row.id)
        last = row.chain


async def _unreached(
    connection: AsyncConnection, known: Sequence[ChainHead] | None, *, some: bool
) -> Breach | None:
    if known is None:
        return breach_at("", "the checkpoint file is missing") if some else None
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


def breach_at(chain: str, what: str, seq: int = 0, id_: str | None = None) -> Breach:
    return Breach(chain=chain, seq=seq, id=id_, what=what)
