"""Verification: the proof that nothing is missing from the audit trail.

It follows every chain from record to record, then looks for what no chain holds.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select
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
from keyrelay.stores.schema.tables import audit_chains, audit_records, wrapped_keys
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_rows

_CHUNK = 1000

_RECORDS = audit_records.c
_EVERY = 10**9  # chains: a process has one
_FOUNDING = 10  # records at most, with which a store begins


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
    chains = list[AnyRow]()
    for row in await read_rows(connection, ordered, Slice(0, _EVERY), _chain):
        if isinstance(row, UnreadableRow):
            breach = breach_at(row.text("id"), "it cannot be read")
            return Verification(records=0, chains=len(chains), breach=breach)
        chains.append(row)
    return await _verify(connection, mac, known, chains)


async def _verify(
    connection: AsyncConnection,
    mac: Mac,
    known: Sequence[ChainHead] | None,
    chains: Sequence[AnyRow],
) -> Verification:
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
        or await _unfounded(connection, chains)
        or await _unreached(connection, known),
    )


async def _chain_breach(
    connection: AsyncConnection, mac: Mac, chain: AnyRow, before: AnyRow | None
) -> Breach | None:
    after = before and ChainHead(
        chain=before.id, seq=chain.after_seq, mac=chain.after_mac
    )
    if after is not None and (breach := await _check(connection, after)) is not None:
        return breach
    head = start(mac, Opening(chain=chain.id, number=chain.number, after=after))
    async for rows in _chunks(connection, chain.id):
        if isinstance(rows, Breach):
            return rows
        found = follow(mac, head, map(_link, rows))
        if isinstance(found, Breach):
            return found
        head = found
        for row in rows:
            if not _columns_match(row):
                what = "its columns are not what its document says"
                return breach_at(chain.id, what, row.seq, row.id)
    kept = ChainHead(chain=chain.id, seq=chain.head_seq, mac=chain.head_mac)
    return reach(head, kept) or reach(kept, head)


async def _chunks(
    connection: AsyncConnection, chain: str
) -> AsyncIterator[Sequence[AnyRow] | Breach]:
    """Yield the records of a chain, up to the first that cannot be read."""
    last, full = -1, True
    while full:
        after = select(audit_records).where(
            _RECORDS.chain == chain, _RECORDS.seq > last
        )
        ordered = after.order_by(_RECORDS.seq)
        rows = list[AnyRow]()
        found = await read_rows(connection, ordered, Slice(0, _CHUNK), _record)
        for row in found:
            if isinstance(row, UnreadableRow):
                yield rows
                seq = row.text("seq")
                place = int(seq) if seq.isdecimal() else 0
                yield breach_at(chain, "it cannot be read", place, row.text("id"))
                return
            rows.append(row)
        yield rows
        full = len(found) == _CHUNK
        last = rows[-1].seq if rows else last


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


async def _unfounded(
    connection: AsyncConnection, chains: Sequence[AnyRow]
) -> Breach | None:
    """Look for the records that founding wrote: each store has them."""
    oldest = wrapped_keys.c.created_at, wrapped_keys.c.id
    key = await connection.scalar(select(wrapped_keys.c.id).order_by(*oldest).limit(1))
    first = chains[0].id if chains else ""
    founding = select(_RECORDS.document).where(
        _RECORDS.chain == first, _RECORDS.seq <= _FOUNDING
    )
    for text in await connection.scalars(founding):
        record = decode(text) or {}
        if (record.get("noun"), record.get("subject")) == ("key", key):
            return None
    return breach_at(first, "the records of the store's founding are missing")


async def _unreached(
    connection: AsyncConnection, known: Sequence[ChainHead] | None
) -> Breach | None:
    if known is None:
        return breach_at("", "the checkpoint file is missing")
    for head in known:
        if (breach := await _check(connection, head)) is not None:
            return breach
    return None


def _record(row: AnyRow) -> AnyRow:
    """Return the row. Raises TypeError unless it holds what a record consists of."""
    # SQLite keeps a value of any type in any column.
    match row.seq, row.document, row.mac:
        case int(), str(), bytes():
            return row
        case _:
            raise TypeError("this is no record")


def _chain(row: AnyRow) -> AnyRow:
    """Return the row. Raises TypeError unless it holds what a chain consists of."""
    heads = row.after_seq, row.after_mac, row.head_seq, row.head_mac
    match row.id, row.number, *heads:
        case str(), int(), int(), bytes(), int(), bytes():
            return row
        case _:
            raise TypeError("this is no chain")


def _link(row: AnyRow) -> Link:
    return Link(seq=row.seq, id=row.id, document=row.document, mac=row.mac)


def _columns_match(row: AnyRow) -> bool:
    columns = columns_of(decode(row.document) or {})
    return columns is not None and all(
        getattr(row, name) == said for name, said in asdict(columns).items()
    )


def breach_at(chain: str, what: str, seq: int = 0, id_: str | None = None) -> Breach:
    return Breach(chain=chain, seq=seq, id=id_, what=what)
