"""Outside: what no chain shows by itself: records beside the chains, ends cut off."""

from collections.abc import AsyncGenerator, Collection, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import decode
from keyrelay.stores.audit.chain import Breach, ChainHead, breach_at, reach
from keyrelay.stores.schema.tables import audit_records, wrapped_keys
from keyrelay.stores.unreadable import AnyRow

_RECORDS = audit_records.c
_FOUNDING = 10  # records at most, with which a store begins


async def find_outside(
    connection: AsyncConnection,
    chains: Sequence[AnyRow],
    known: Sequence[ChainHead] | None,
) -> AsyncGenerator[Breach, None]:
    """Look for records of no chain, for those of the founding, and for `known` heads.

    None stands for a checkpoint that is missing.
    """
    for breach in (
        await _orphan(connection, {chain.id for chain in chains}),
        await _unfounded(connection, chains),
    ):
        if breach is not None:
            yield breach
    if known is None:
        yield breach_at("", "the checkpoint file is missing")
    for head in known or ():
        if (breach := await check_head(connection, head)) is not None:
            yield breach


async def check_head(connection: AsyncConnection, head: ChainHead) -> Breach | None:
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
