"""Claim rows: between claims and their rows in the database."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Row

from keyrelay.model.audit_document import printable
from keyrelay.model.backlog import (
    DUE_IN_TIME,
    NO_WAIT,
    QueueStatus,
    TriggerState,
    TriggerWait,
)
from keyrelay.model.claim import (
    Arrival,
    ClaimState,
    ClaimStatus,
    Ending,
    Go,
    Judgement,
    Owner,
)
from keyrelay.stores.rows import ScopedId

log = logging.getLogger(__name__)

ClaimRow = Row[tuple[object, ...]]
RowValues = tuple[str | int | bool | None, ...]  # the first two are profile and id

_NONE_DONE = "[]"
_LONGEST_REASON = 500
_STATES = {
    ClaimStatus.CLAIMED: TriggerState.LEASED,
    ClaimStatus.PARKED: TriggerState.RETRYING,
    ClaimStatus.HELD: TriggerState.HELD,
    ClaimStatus.CANCELLING: TriggerState.CANCELLING,
    ClaimStatus.CANCELLED: TriggerState.CANCELLED,
    ClaimStatus.DONE: TriggerState.DONE,
    ClaimStatus.BURIED: TriggerState.BURIED,
}


def encode(rows: Iterable[RowValues]) -> str:
    """Return the rows as one JSON list, in the same order in every process.

    Two that write several of the same rows at once then do not deadlock.
    """
    return msgspec.json.encode(sorted(rows)).decode()


def _claim_row(arrival: Arrival, go: Go) -> RowValues:
    return (
        arrival.profile,
        arrival.id,
        arrival.generation,
        arrival.sequence,
        go.number,
        go.cut,
        _text_of(go.done),
    )


def claim_rows(
    asked: Mapping[ScopedId, Arrival], judged: Mapping[ScopedId, Judgement]
) -> list[RowValues]:
    return [
        _claim_row(asked[id_], said)
        for id_, said in judged.items()
        if isinstance(said, Go)
    ]


def ending_row(ending: Ending) -> RowValues:
    before, then = ending.claimed, ending.then
    return (
        before.profile,
        before.id,
        before.generation,
        before.sequence,
        ending.status,
        then.generation,
        then.sequence,
        then.attempts,
        then.cut,
        _text_of(then.done),
        ending.wait.reason and printable(ending.wait.reason, _LONGEST_REASON),
        ending.wait.secret,
    )


def id_of(arrival: Arrival) -> ScopedId:
    return arrival.profile, arrival.id


def state_of(row: ClaimRow, owner: Owner) -> ClaimState:
    """Return what the row says of the trigger.

    A row whose status cannot be read counts as a claim, and one whose parts cannot be
    read as cut: the worker that takes it over asks the audit trail, and writes it anew.
    """
    parts, status = _parts_of(row.done), _status_in(row)
    if parts is None or status is None:
        what = {"profile": row.profile, "trigger": row.id}
        log.error("claim cannot be read", extra=what | {"reason": "it is damaged"})
    arrival = Arrival(
        profile=row.profile,
        id=row.id,
        generation=row.generation,
        sequence=row.sequence,
        attempts=row.attempts,
        cut=row.cut or parts is None,
        done=parts or frozenset(),
    )
    return ClaimState(
        arrival=arrival,
        status=status or ClaimStatus.CLAIMED,
        owner=owner,
        claimed_at=row.claimed_at,
    )


def status_of(row: ClaimRow) -> QueueStatus:
    """Return what is known of the trigger; it was accepted before it was claimed."""
    claimed_at: datetime = row.claimed_at
    settled_at: datetime | None = row.settled_at
    state = _STATES[_status_in(row) or ClaimStatus.CLAIMED]
    if state is TriggerState.RETRYING and not row.attempts:
        state = TriggerState.WAITING
    wait = TriggerWait(reason=row.reason, secret=row.waits_for)
    return QueueStatus(
        state=state,
        attempts=row.attempts,
        accepted_at=claimed_at,
        wait=wait if state in DUE_IN_TIME else NO_WAIT,
        settled_at=settled_at,
    )


def _text_of(done: frozenset[str]) -> str:
    return json.dumps(sorted(done)) if done else _NONE_DONE


def _status_in(row: ClaimRow) -> ClaimStatus | None:
    try:
        return ClaimStatus(row.status)
    except ValueError:
        return None


def _parts_of(text: str) -> frozenset[str] | None:
    if text == _NONE_DONE:
        return frozenset()
    try:
        return frozenset(msgspec.json.decode(text, type=list[str]))
    except (msgspec.MsgspecError, TypeError):
        return None
