"""Verification: the proof that nothing is missing from the audit trail.

It follows every chain from record to record, then looks for what no chain holds.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import columns_of, decode
from keyrelay.stores.audit.chain import (
    Breach,
    ChainHead,
    Link,
    Mac,
    Opening,
    breach_at,
    check,
    reach,
    standing,
    start,
)
from keyrelay.stores.audit.outside import check_head, find_outside
from keyrelay.stores.schema.tables import audit_chains, audit_records
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_rows

_CHUNK = 1000

_RECORDS = audit_records.c
_EVERY = 10**9  # chains: a process has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`breach` is the first that was found, in the order of chains and records."""

    records: int
    chains: int
    breach: Breach | None


@dataclass(slots=True)
class Tally:
    """How many chains were followed to their end, and the records in them."""

    records: int = 0
    chains: int = 0


async def find_breaches(
    connection: AsyncConnection,
    mac: Mac,
    known: Sequence[ChainHead] | None,
    tally: Tally,
) -> AsyncGenerator[Breach, None]:
    """Follow every chain, then check that each has reached its `known` head.

    None stands for a checkpoint that is missing. What follows a breach is judged by
    the records as they stand, so that each breach is told once.
    """
    ordered = select(audit_chains).order_by(audit_chains.c.number)
    chains = list[AnyRow]()
    for row in await read_rows(connection, ordered, Slice(0, _EVERY), _chain):
        if isinstance(row, UnreadableRow):
            yield breach_at(row.text("id"), "it cannot be read")
        else:
            chains.append(row)
    async with aclosing(_chains_breaches(connection, mac, chains, tally)) as found:
        async for breach in found:
            yield breach
    async with aclosing(find_outside(connection, chains, known)) as found:
        async for breach in found:
            yield breach


async def _chains_breaches(
    connection: AsyncConnection, mac: Mac, chains: Sequence[AnyRow], tally: Tally
) -> AsyncGenerator[Breach, None]:
    before: AnyRow | None = None
    are_sound = True
    for chain in chains:
        if chain.number != (1 if before is None else before.number + 1):
            are_sound = False
            yield breach_at(chain.id, "the chain before it is missing")
        else:
            async for breach in _chain_breaches(connection, mac, chain, before):
                are_sound = False
                yield breach
        before = chain
        if are_sound:
            tally.chains += 1
            tally.records += chain.head_seq


async def _chain_breaches(
    connection: AsyncConnection, mac: Mac, chain: AnyRow, before: AnyRow | None
) -> AsyncGenerator[Breach, None]:
    after = before and ChainHead(
        chain=before.id, seq=chain.after_seq, mac=chain.after_mac
    )
    if (
        after is not None
        and (breach := await check_head(connection, after)) is not None
    ):
        yield breach
    opening = Opening(chain=chain.id, number=chain.number, after=after)
    head: ChainHead | None = start(mac, opening)
    async for rows in _chunks(connection, chain.id):
        for row in rows:
            if isinstance(row, UnreadableRow):
                head = None  # what comes next cannot be compared with it
                yield _unreadable(chain.id, row)
                continue
            if (breach := _record_breach(mac, chain.id, head, row)) is not None:
                yield breach
            head = standing(chain.id, _link(row))
    kept = ChainHead(chain=chain.id, seq=chain.head_seq, mac=chain.head_mac)
    if head is not None and (end := reach(head, kept) or reach(kept, head)) is not None:
        yield end


def _record_breach(
    mac: Mac, chain: str, head: ChainHead | None, row: AnyRow
) -> Breach | None:
    """Compare a record with the one before it, if that is known, and its columns."""
    breach = None if head is None else check(mac, head, _link(row))
    if breach is not None:
        return breach if breach.id is None else replace(breach, profile=row.profile)
    if _columns_match(row):
        return None
    what = "its columns are not what its document says"
    # The profile that it was written for: the document is sealed, the column is not.
    profile = (decode(row.document) or {}).get("profile", row.profile)
    return replace(breach_at(chain, what, row.seq, row.id), profile=str(profile))


async def _chunks(
    connection: AsyncConnection, chain: str
) -> AsyncIterator[Sequence[AnyRow | UnreadableRow]]:
    """Yield the records of a chain, up to one whose place cannot be read."""
    last, full = -1, True
    while full:
        after = select(audit_records).where(
            _RECORDS.chain == chain, _RECORDS.seq > last
        )
        ordered = after.order_by(_RECORDS.seq)
        rows = await read_rows(connection, ordered, Slice(0, _CHUNK), _record)
        yield rows
        place = _place(rows[-1]) if rows else 0
        full = len(rows) == _CHUNK and place > last
        last = place


def _place(row: AnyRow | UnreadableRow) -> int:
    """Return the record's number; 0, it cannot be read."""
    if not isinstance(row, UnreadableRow):
        return int(row.seq)
    seq = row.text("seq")
    return int(seq) if seq.isdecimal() else 0


def _unreadable(chain: str, row: UnreadableRow) -> Breach:
    breach = breach_at(chain, "it cannot be read", _place(row), row.text("id"))
    return replace(breach, profile=row.text("profile"))


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
