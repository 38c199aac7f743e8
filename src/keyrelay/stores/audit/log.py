"""Audit log: records are kept in one transaction with what they tell of."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.batching import Batch
from keyrelay.databases.database import Database
from keyrelay.model.audit import AuditRecord
from keyrelay.model.audit_document import Document, document_of
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import LABEL, ChainHead, Mac, Opening, advance, start
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import CheckpointFile, CheckpointForged
from keyrelay.stores.audit.rows import Row, add_rows, text_of, unkept
from keyrelay.stores.schema.tables import audit_chains
from keyrelay.vault.vault import Vault

MOST_TOGETHER = 500
CHECKPOINT_INTERVAL = timedelta(seconds=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

_EVENTS = {"attempt": "attempt settled", "change": "definition changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChainPosition:
    """Where our chain is, and where the one before it was when ours began."""

    head: ChainHead
    after: ChainHead | None


@dataclass(slots=True)
class _ChainState:
    """What a ledger knows of its chain; no place, the next record opens a chain."""

    place: _ChainPosition | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Recording:
    """A transaction under way, and the records to be kept with it."""

    connection: AsyncConnection
    documents: list[Document] = field(default_factory=list)

    def append(self, record: AuditRecord) -> None:
        self.documents.append(document_of(record))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainedLog:
    """This process's chain of records, opened with the first of them."""

    database: Database
    vault: Vault
    world: World
    checkpoint: CheckpointFile
    _progress: _ChainState = field(default_factory=_ChainState, init=False)

    def recording(self) -> AbstractAsyncContextManager[Recording]:
        """Hold the right to write. On leaving, all is kept or nothing.

        Raises Unavailable.
        """
        return self._recording(self.database.writing)

    async def keep_records(self, records: Sequence[AuditRecord]) -> Sequence[None]:
        """Keep what tells of no change to anything that others write, too.

        What was kept already is not kept twice: after Unavailable, try again.
        """
        async with self._recording(self.database.transaction) as recording:
            for record in records:
                recording.append(record)
        return [None] * len(records)

    @asynccontextmanager
    async def _recording(self, transaction: Transaction) -> AsyncIterator[Recording]:
        mac = await self.vault.authenticator(LABEL)
        progress = self._progress
        async with progress.turn:
            place = progress.place
            # Chains are numbered one by one: whoever opens one needs the right to
            # write. Nobody but us goes on with ours, so that needs no right.
            held = self.database.writing if place is None else transaction
            async with held() as connection:
                recording = Recording(connection)
                yield recording
                if recording.documents:
                    place = await self._keep(mac, place, recording)
                # Cut short while it commits, we do not know whether the chain has
                # moved: unless told otherwise below, the next record opens another.
                progress.place = None
            progress.place = place
        if recording.documents:
            progress.moved.set()
        bound = log.bind()  # once for all of them
        for document in recording.documents:
            bound.info(_EVENTS[str(document["kind"])], **document)

    async def keep_checkpoint(self) -> None:
        """Note outside the database how far the chain has got. Raises nothing foreseen.

        Without a checkpoint work goes on: the next one covers the same records.
        """
        place = self._progress.place
        if place is None:
            return
        try:
            mac = await self.vault.authenticator(CHECKPOINT)
            await asyncio.to_thread(
                self.checkpoint.advance, mac, place.head, place.after
            )
        except (OSError, CheckpointForged, Unavailable) as fault:
            log.error("audit checkpoint not written", reason=str(fault))  # noqa: TRY400

    async def keep_checkpoints(self) -> None:
        while True:
            await self._progress.moved.wait()
            self._progress.moved.clear()
            await self.keep_checkpoint()
            await self.world.sleep(CHECKPOINT_INTERVAL)

    async def _keep(
        self, mac: Mac, place: _ChainPosition | None, recording: Recording
    ) -> _ChainPosition | None:
        """Return our place after the records; None, all of them were kept before."""
        connection = recording.connection
        if place is not None:
            return await _append(connection, mac, place, recording.documents)
        # Of a commit that we did not hear of we do not know whether it was made.
        documents = await unkept(connection, recording.documents)
        if not documents:
            return None
        chain = self.world.new_id(self.world.now())
        place = await _open_chain(connection, mac, chain)
        try:
            return await _append(connection, mac, place, documents)
        except IntegrityError:  # it was not made then, and is now
            raise Unavailable("an audit record was kept meanwhile: again") from None


@dataclass(frozen=True, slots=True)
class GroupedAuditLog:
    """ports.AuditLog: what concurrent lanes append is kept by one commit."""

    batch: Batch[AuditRecord, None]

    async def append(self, record: AuditRecord) -> None:
        await self.batch.submit(record)


@asynccontextmanager
async def open_audit_log(
    database: Database, vault: Vault, world: World, checkpoint: Path
) -> AsyncIterator[ChainedLog]:
    """Give the ledger; while it is open, its checkpoint is at most a second old."""
    audit_log = ChainedLog(
        database=database,
        vault=vault,
        world=world,
        checkpoint=CheckpointFile(checkpoint),
    )
    keeping = asyncio.create_task(audit_log.keep_checkpoints())
    try:
        yield audit_log
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await audit_log.keep_checkpoint()


def group_commits(audit_log: ChainedLog) -> GroupedAuditLog:
    return GroupedAuditLog(Batch(run=audit_log.keep_records, most=MOST_TOGETHER))


async def _append(
    connection: AsyncConnection,
    mac: Mac,
    place: _ChainPosition,
    documents: Sequence[Document],
) -> _ChainPosition:
    head, rows = place.head, list[Row]()
    for document in documents:
        text = text_of(document)
        head = advance(mac, head, text)
        rows.append(Row(head=head, document=document, text=text))
    await add_rows(connection, rows)
    await connection.execute(
        update(audit_chains)
        .where(audit_chains.c.id == head.chain)
        .values(head_seq=head.seq, head_mac=head.mac)
    )
    return _ChainPosition(head=head, after=place.after)


async def _open_chain(
    connection: AsyncConnection, mac: Mac, chain: str
) -> _ChainPosition:
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
    return _ChainPosition(head=head, after=after)
