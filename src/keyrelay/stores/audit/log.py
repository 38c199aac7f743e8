"""Audit log: records, each in one transaction with the change that it records."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.background import background
from keyrelay.concurrency.batching import Batch
from keyrelay.databases.database import Database
from keyrelay.model.audit import AuditRecord
from keyrelay.model.audit_document import Document, document_of
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import LABEL, Mac
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import CheckpointFile, CheckpointForged
from keyrelay.stores.audit.growing import ChainPosition, append, open_chain
from keyrelay.stores.audit.history import attempts_of
from keyrelay.stores.audit.rows import missing
from keyrelay.vault.vault import Vault

MOST_TOGETHER = 500
CHECKPOINT_INTERVAL = timedelta(seconds=1)

log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

_EVENTS = {
    "attempt": "attempt settled",
    "change": "definition changed",
    "release": "secret released",
}


@dataclass(slots=True)
class _ChainState:
    """What this process knows of its chain.

    Without a position, the next record opens a chain. `moved` is set when the chain
    has grown, `checkpoints` is the task that then writes a checkpoint.
    """

    position: ChainPosition | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    checkpoints: asyncio.Future[object] | None = None
    generations: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """A transaction under way, and the records to be kept with it.

    `generations` are those of definitions after it, by profile.
    """

    connection: AsyncConnection
    documents: list[Document] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)

    def append(self, record: AuditRecord) -> None:
        self.documents.append(document_of(record))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainedLog:
    """The chain of this process, opened with its first record."""

    database: Database
    vault: Vault
    world: World
    checkpoint: CheckpointFile
    _state: _ChainState = field(default_factory=_ChainState, init=False)

    def recording(self) -> AbstractAsyncContextManager[Recording]:
        """Give a transaction with the right to write; it keeps all or nothing.

        Raises Unavailable.
        """
        return self._recording(self.database.writing)

    async def keep_records(self, records: Sequence[AuditRecord]) -> Sequence[None]:
        """Keep records that change nothing which other processes write.

        A record that is there is not kept twice: after Unavailable, try again.
        """
        async with self._recording(self.database.transaction) as recording:
            for record in records:
                recording.append(record)
        return [None] * len(records)

    @asynccontextmanager
    async def _recording(self, transaction: Transaction) -> AsyncIterator[Recording]:
        mac = await self.vault.authenticator(LABEL)
        state = self._state
        if state.checkpoints is not None and state.checkpoints.done():
            state.checkpoints.result()  # raises: it ends by a fault alone
        async with state.lock:
            position = state.position
            # Chains are numbered one by one, so opening one needs the exclusive right
            # to write. Only this process appends to its chain, which needs no right.
            begin = self.database.writing if position is None else transaction
            async with begin() as connection:
                recording = Recording(connection)
                yield recording
                if recording.documents:
                    position = await self._keep(mac, position, recording)
                # If the commit is interrupted, it is unknown whether the chain has
                # moved: then the next record opens another chain.
                state.position = None
            state.position = position
            state.generations |= recording.generations
        if recording.documents:
            state.moved.set()
        _log_records(recording.documents)

    async def keep_checkpoint(self) -> None:
        """Note outside the database how far the chain has got. Raises nothing foreseen.

        Without a checkpoint work goes on: the next one covers the same records.
        """
        position = self._state.position
        if position is None:
            return
        try:
            mac = await self.vault.authenticator(CHECKPOINT)
            await asyncio.to_thread(
                self.checkpoint.advance,
                mac,
                position.head,
                position.after,
                dict(self._state.generations),
            )
        except (OSError, CheckpointForged, Unavailable) as fault:
            extra = {"reason": str(fault)}
            log.error("audit checkpoint not written", extra=extra)  # noqa: TRY400

    async def keep_checkpoints(self) -> None:
        while True:
            await self._state.moved.wait()
            self._state.moved.clear()
            await self.keep_checkpoint()
            await self.world.sleep(CHECKPOINT_INTERVAL)

    async def _keep(
        self, mac: Mac, position: ChainPosition | None, recording: Recording
    ) -> ChainPosition | None:
        """Return the position after the records; None, all were kept before."""
        connection = recording.connection
        if position is not None:
            return await append(connection, mac, position, recording.documents)
        # After a commit without an answer it is unknown whether it was made.
        documents = await missing(connection, recording.documents)
        if not documents:
            return None
        chain = self.world.new_id(self.world.now())
        position = await open_chain(connection, mac, chain)
        try:
            return await append(connection, mac, position, documents)
        except IntegrityError:  # that commit was made after the check for it
            raise Unavailable("an audit record was kept meanwhile: again") from None


@dataclass(frozen=True, slots=True)
class GroupedAuditLog:
    """ports.AuditLog: what concurrent lanes append is kept by one commit."""

    batch: Batch[AuditRecord, None]
    behind: ChainedLog

    async def append(self, record: AuditRecord) -> None:
        await self.batch.submit(record)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        behind = self.behind
        mac = await behind.vault.authenticator(LABEL)
        async with behind.database.reading() as connection:
            return await attempts_of(connection, mac, (profile, trigger), since)


@asynccontextmanager
async def open_audit_log(
    database: Database, vault: Vault, world: World, checkpoint: Path
) -> AsyncIterator[ChainedLog]:
    """Open the log; while it is open, its checkpoint is at most a second old."""
    audit_log = ChainedLog(
        database=database,
        vault=vault,
        world=world,
        checkpoint=CheckpointFile(checkpoint),
    )
    try:
        async with background(audit_log.keep_checkpoints()) as checkpoints:
            audit_log._state.checkpoints = checkpoints  # noqa: SLF001 - its own module
            yield audit_log
    finally:
        await audit_log.keep_checkpoint()


def group_commits(audit_log: ChainedLog) -> GroupedAuditLog:
    batch = Batch(run=audit_log.keep_records, most=MOST_TOGETHER)
    return GroupedAuditLog(batch, audit_log)


def _log_records(documents: Sequence[Document]) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    # Why structlog: see observability/logs. Imported here: commands omit these lines.
    from structlog import get_logger

    bound = get_logger(__name__).bind()  # once for all of them
    for document in documents:
        # A burial is the end of a trigger that was not delivered.
        say = bound.warning if document.get("settlement") == "bury" else bound.info
        say(_EVENTS[str(document["kind"])], **document)
