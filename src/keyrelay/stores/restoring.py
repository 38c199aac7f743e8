"""Restoring: a database older than the checkpoint beside it, and the way out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import ChainHead
from keyrelay.stores.audit.checkpoint import LABEL as CHECKPOINT
from keyrelay.stores.audit.checkpoint import Checkpoint, CheckpointForged
from keyrelay.stores.audit.log import ChainedLog
from keyrelay.stores.definitions.definition_index import generation_in
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.schema.tables import audit_records, installation, profiles

_RECORDS = audit_records.c


class BehindCheckpoint(Exception):
    """The database lacks what its checkpoint has seen; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What stands in the checkpoint, None if there is none, and what is missing."""

    noted: Checkpoint | None
    reached: Sequence[ChainHead]
    missing: str | None


async def compare(audit_log: ChainedLog) -> Comparison:
    """Look for each record that the checkpoint has seen. Raises Unavailable."""
    signature = await audit_log.vault.authenticator(CHECKPOINT)
    try:
        noted = await asyncio.to_thread(audit_log.checkpoint.read, signature)
    except (CheckpointForged, OSError) as fault:
        raise Unavailable(str(fault)) from None
    heads = () if noted is None else noted.heads
    reached, gaps = list[ChainHead](), list[tuple[ChainHead, int]]()
    async with audit_log.database.reading() as connection:
        for head in heads:
            last = await _last_before(connection, head)
            if last is None:
                reached.append(head)
            else:
                gaps.append((head, last))
    return Comparison(noted=noted, reached=reached, missing=_sentence(gaps))


async def require_current(audit_log: ChainedLog, *, expected: bool) -> None:
    """Raise BehindCheckpoint if the database is older than the checkpoint.

    A checkpoint that is missing is a fault where it is expected, and elsewhere that of
    a new process. Raises Unavailable.
    """
    found = await compare(audit_log)
    path = audit_log.checkpoint.path
    if found.noted is None and expected:
        raise BehindCheckpoint(
            f"{path} is missing: put it back, or run `keyrelay restore --accept` if the"
            " database is the newest there is"
        )
    if found.missing is not None:
        raise BehindCheckpoint(
            f"the database is older than {path}: {found.missing}; put the newer one"
            " back, or run `keyrelay restore --accept` to go on with this one"
        )


async def accept(audit_log: ChainedLog, profile: str, actor: str) -> str:
    """Go on with the database as it is, with a record; return what was missing."""
    found = await compare(audit_log)
    absent = "the checkpoint was missing" if found.noted is None else None
    detail = found.missing or absent or "nothing was missing"
    signature = await audit_log.vault.authenticator(CHECKPOINT)
    store = audit_log.vault.keyring.store_id
    async with Journal(audit_log=audit_log).writing(profile, actor) as writing:
        writing.record("database", store, Change.RESTORED, detail)
        world = audit_log.world
        history = world.new_id(world.now())
        # What was accepted under the definitions that are missing need not wait.
        await writing.connection.execute(update(installation).values(history=history))
        generations = {
            each: await generation_in(writing.connection, each)
            for each in await writing.connection.scalars(select(profiles.c.id))
        }
    # After the record: a crash between the two leaves what has to be accepted again.
    noted = Checkpoint(heads=tuple(found.reached), generations=generations)
    await asyncio.to_thread(audit_log.checkpoint.replace, signature, noted)
    await audit_log.keep_checkpoint()
    return detail


async def _last_before(connection: AsyncConnection, head: ChainHead) -> int | None:
    """Return the last record of the chain that is there; None, the head is, too."""
    of_chain = _RECORDS.chain == head.chain
    mac = await connection.scalar(
        select(_RECORDS.mac).where(of_chain, _RECORDS.seq == head.seq)
    )
    if mac == head.mac:
        return None
    before = select(_RECORDS.seq).where(of_chain, _RECORDS.seq < head.seq)
    last = await connection.scalar(before.order_by(_RECORDS.seq.desc()).limit(1))
    return last or 0


def _sentence(gaps: Sequence[tuple[ChainHead, int]]) -> str | None:
    """Name the first and the last record that is missing; None, none is."""
    if not gaps:
        return None
    count = sum(head.seq - last for head, last in gaps)
    first, last = gaps[0], gaps[-1]
    begin = f"record {first[1] + 1} of chain {first[0].chain}"
    end = f"record {last[0].seq} of chain {last[0].chain}"
    if count == 1:
        return f"{begin} is missing"
    return f"{count} records are missing, from {begin} to {end}"
