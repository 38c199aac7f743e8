"""History: the attempts on record of one trigger, read for a lease that repeats.

What is not as it was written says nothing: a record that was put into the table by hand
must not end a trigger.
"""

import hmac
import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import columns_of, decode
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.recorded_document import recorded_attempt
from keyrelay.stores.audit.chain import ChainHead, Mac, Opening, advance, start
from keyrelay.stores.rows import ScopedId
from keyrelay.stores.schema.tables import audit_chains, audit_records

log = logging.getLogger(__name__)

_MOST = 100  # the newest; more than an action's attempts

_RECORDS = audit_records.c
_before = audit_records.alias("before")


async def attempts_of(
    connection: AsyncConnection, mac: Mac, trigger: ScopedId, since: datetime
) -> Sequence[RecordedAttempt]:
    """Return the trigger's attempts that began then or later, the oldest first.

    `trigger` is its profile and id. A record whose seal is not right is logged and left
    out.
    """
    rows = (await connection.execute(_newest(trigger, since))).all()
    attempts = [
        attempt
        for row in reversed(rows)
        if (attempt := await _attempt_in(connection, mac, row, trigger)) is not None
    ]
    return [attempt for attempt in attempts if attempt.started_at >= since]


def _newest(trigger: ScopedId, since: datetime) -> Select[tuple[object, ...]]:
    profile, id_ = trigger
    before = and_(_before.c.chain == _RECORDS.chain, _before.c.seq == _RECORDS.seq - 1)
    wanted = and_(
        _RECORDS.profile == profile,
        _RECORDS.trigger == id_,
        _RECORDS.kind == "attempt",
        _RECORDS.at >= since,
    )
    records = audit_records.outerjoin(_before, before)
    return (
        select(audit_records, _before.c.mac.label("mac_before"))
        .select_from(records)
        .where(wanted)
        .order_by(_RECORDS.at.desc(), _RECORDS.seq.desc())
        .limit(_MOST)
    )


async def _attempt_in(
    connection: AsyncConnection,
    mac: Mac,
    row: Row[tuple[object, ...]],
    trigger: ScopedId,
) -> RecordedAttempt | None:
    document = decode(row.document) or {}
    columns = columns_of(document)
    if columns is None or (columns.profile, columns.trigger) != trigger:
        return None
    if row.mac_before is not None:
        head = ChainHead(chain=row.chain, seq=row.seq - 1, mac=row.mac_before)
    else:
        head = await _opening_of(connection, mac, row.chain)
    sealed = advance(mac, head, row.document)
    if sealed.seq != row.seq or not hmac.compare_digest(sealed.mac, row.mac):
        what = {"record": row.id, "trigger": columns.trigger}
        log.error("audit record is not as it was written", extra=what)
        return None
    return recorded_attempt(document)


async def _opening_of(connection: AsyncConnection, mac: Mac, chain: str) -> ChainHead:
    """Return the head of the chain before its first record."""
    earlier = audit_chains.alias("earlier")
    at = earlier.c.number == audit_chains.c.number - 1
    wanted = select(audit_chains, earlier.c.id.label("earlier"))
    found = await connection.execute(
        wanted.select_from(audit_chains.outerjoin(earlier, at)).where(
            audit_chains.c.id == chain
        )
    )
    row = found.one_or_none()
    if row is None:
        return ChainHead(chain=chain, seq=0, mac=b"")
    after = row.earlier and ChainHead(
        chain=row.earlier, seq=row.after_seq, mac=row.after_mac
    )
    return start(mac, Opening(chain=chain, number=row.number, after=after))
