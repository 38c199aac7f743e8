"""History: the attempts on record of one trigger, read for a lease that repeats.

What is not as it was written says nothing: a record that was put into the table by hand
must not end a trigger.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import columns_of, decode
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.recorded_document import recorded_attempt
from keyrelay.stores.audit.chain import (
    Breach,
    ChainHead,
    Link,
    Mac,
    Opening,
    follow,
    start,
)
from keyrelay.stores.rows import ScopedId
from keyrelay.stores.schema.tables import audit_chains, audit_records
from keyrelay.stores.unreadable import ONE, AnyRow, Slice, UnreadableRow, read_rows

log = logging.getLogger(__name__)

_MOST = 100  # the newest; more than an action's attempts

_RECORDS = audit_records.c
_before = audit_records.alias("before")


async def attempts_of(
    connection: AsyncConnection, mac: Mac, trigger: ScopedId, since: datetime
) -> Sequence[RecordedAttempt]:
    """Return the trigger's attempts that began then or later, the oldest first.

    `trigger` is its profile and id. Its cancellation is one that ended it. A record
    that cannot be read, or whose seal is not right, is logged and left out.
    """
    wanted = _of_trigger(trigger, since)
    rows = await read_rows(connection, wanted, Slice(0, _MOST), _link_of)
    attempts = [
        attempt
        for row in reversed(rows)
        if (attempt := await _attempt_in(connection, mac, row, trigger)) is not None
    ]
    return [attempt for attempt in attempts if attempt.started_at >= since]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """A record in its chain; `mac_before` is None for the first one."""

    link: Link
    chain: str
    mac_before: bytes | None


def _of_trigger(trigger: ScopedId, since: datetime) -> Select[tuple[object, ...]]:
    """Select what is about the trigger, the newest first."""
    profile, id_ = trigger
    before = and_(_before.c.chain == _RECORDS.chain, _before.c.seq == _RECORDS.seq - 1)
    wanted = and_(
        _RECORDS.profile == profile, _RECORDS.trigger == id_, _RECORDS.at >= since
    )
    records = audit_records.outerjoin(_before, before)
    return (
        select(audit_records, _before.c.mac.label("mac_before"))
        .select_from(records)
        .where(wanted)
        .order_by(_RECORDS.at.desc(), _RECORDS.chain, _RECORDS.seq.desc())
    )


def _link_of(row: AnyRow) -> _Sealed:
    """Raises TypeError for what no process writes."""
    seq, macs = row.seq, (row.mac, row.mac_before or b"")
    texts = (row.id, row.chain, row.document)
    if not isinstance(seq, int) or not all(isinstance(each, str) for each in texts):
        raise TypeError
    if not all(isinstance(each, bytes) for each in macs):
        raise TypeError
    link = Link(seq=seq, id=row.id, document=row.document, mac=row.mac)
    return _Sealed(link=link, chain=row.chain, mac_before=row.mac_before)


async def _attempt_in(
    connection: AsyncConnection,
    mac: Mac,
    sealed: _Sealed | UnreadableRow,
    trigger: ScopedId,
) -> RecordedAttempt | None:
    if isinstance(sealed, UnreadableRow):
        _log_left_out(sealed.text("id"), trigger)
        return None
    link, chain = sealed.link, sealed.chain
    document = decode(link.document) or {}
    columns = columns_of(document)
    if columns is None or (columns.profile, columns.trigger) != trigger:
        return None
    if sealed.mac_before is not None:
        head = ChainHead(chain=chain, seq=link.seq - 1, mac=sealed.mac_before)
    else:
        head = await _opening_of(connection, mac, chain)
    if isinstance(follow(mac, head, [link]), Breach):
        _log_left_out(link.id, trigger)
        return None
    return recorded_attempt(document)


def _log_left_out(record: str, trigger: ScopedId) -> None:
    what = {"record": record, "trigger": trigger[1]}
    log.error("audit record is not as it was written", extra=what)


async def _opening_of(connection: AsyncConnection, mac: Mac, chain: str) -> ChainHead:
    """Return the head of the chain before its first record."""
    earlier = audit_chains.alias("earlier")
    at = earlier.c.number == audit_chains.c.number - 1
    wanted = select(audit_chains, earlier.c.id.label("earlier"))
    opening = wanted.select_from(audit_chains.outerjoin(earlier, at)).where(
        audit_chains.c.id == chain
    )
    found = await read_rows(connection, opening, ONE, _opening)
    if not found or isinstance(found[0], UnreadableRow):
        return ChainHead(chain=chain, seq=0, mac=b"")
    return start(mac, found[0])


def _opening(row: AnyRow) -> Opening:
    """Raises TypeError for what no process writes."""
    is_named = isinstance(row.earlier, str | None)
    if not is_named or not isinstance(row.after_mac, bytes):
        raise TypeError
    after = row.earlier and ChainHead(
        chain=row.earlier, seq=row.after_seq, mac=row.after_mac
    )
    return Opening(chain=row.id, number=row.number, after=after)
