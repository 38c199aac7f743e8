"""Growing: how a chain is opened, and records are added to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import Document
from keyrelay.stores.audit.chain import ChainHead, Mac, Opening, advance, start
from keyrelay.stores.audit.projection import project
from keyrelay.stores.audit.rows import AuditRow, add_rows, text_of
from keyrelay.stores.schema.tables import audit_chains
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_rows

_MOST_DAMAGED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPosition:
    """Where this process's chain is, and where the chain before it was then."""

    head: ChainHead
    after: ChainHead | None


async def append(
    connection: AsyncConnection,
    mac: Mac,
    position: ChainPosition,
    documents: Sequence[Document],
) -> ChainPosition:
    head, rows = position.head, list[AuditRow]()
    for document in documents:
        text = text_of(document)
        head = advance(mac, head, text)
        rows.append(AuditRow(head=head, document=document, text=text))
    await add_rows(connection, rows)
    await project(connection, head.chain, documents)
    await connection.execute(
        update(audit_chains)
        .where(audit_chains.c.id == head.chain)
        .values(head_seq=head.seq, head_mac=head.mac)
    )
    return ChainPosition(head=head, after=position.after)


async def open_chain(
    connection: AsyncConnection, mac: Mac, chain: str
) -> ChainPosition:
    before = await _newest(connection)
    after = None if before is None else before.head
    number = 1 if before is None else before.number + 1
    head = start(mac, Opening(chain=chain, number=number, after=after))
    await connection.execute(
        insert(audit_chains).values(
            id=chain,
            number=number,
            after_seq=after.seq if after else 0,
            after_mac=after.mac if after else b"",
            head_seq=head.seq,
            head_mac=head.mac,
        )
    )
    return ChainPosition(head=head, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    """A chain as far as it can be read: a new one must not wait for its repair."""

    number: int
    head: ChainHead


async def _newest(connection: AsyncConnection) -> _Numbered | None:
    newest = select(audit_chains).order_by(audit_chains.c.number.desc())
    # What is no number comes first, in SQLite.
    found = await read_rows(connection, newest, Slice(0, _MOST_DAMAGED), _numbered)
    chains = [
        _unreadable(each) if isinstance(each, UnreadableRow) else each for each in found
    ]
    return max(chains, key=lambda chain: chain.number, default=None)


def _numbered(row: AnyRow) -> _Numbered:
    """Raises TypeError for what no process writes."""
    is_number = isinstance(row.number, int) and isinstance(row.head_seq, int)
    is_sealed = isinstance(row.id, str) and isinstance(row.head_mac, bytes)
    if not is_number or not is_sealed:
        raise TypeError
    head = ChainHead(chain=row.id, seq=row.head_seq, mac=row.head_mac)
    return _Numbered(number=row.number, head=head)


def _unreadable(row: UnreadableRow) -> _Numbered:
    number, seq = row.text("number"), row.text("head_seq")
    head = ChainHead(
        chain=row.text("id"), seq=int(seq) if seq.isdecimal() else 0, mac=b""
    )
    return _Numbered(number=int(number) if number.isdecimal() else 0, head=head)
