"""Growing: how a chain is opened, and records are added to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import Document
from keyrelay.stores.audit.chain import ChainHead, Mac, Opening, advance, start
from keyrelay.stores.audit.rows import AuditRow, add_rows, text_of
from keyrelay.stores.schema.tables import audit_chains


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
    await connection.execute(
        update(audit_chains)
        .where(audit_chains.c.id == head.chain)
        .values(head_seq=head.seq, head_mac=head.mac)
    )
    return ChainPosition(head=head, after=position.after)


async def open_chain(
    connection: AsyncConnection, mac: Mac, chain: str
) -> ChainPosition:
    newest = select(audit_chains).order_by(audit_chains.c.number.desc()).limit(1)
    before = (await connection.execute(newest)).one_or_none()
    after = None
    if before is not None:
        after = ChainHead(chain=before.id, seq=before.head_seq, mac=before.head_mac)
    number = before.number + 1 if before else 1
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
