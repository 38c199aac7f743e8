"""Rows: how triggers, loans and settlements are written in the table and read."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from sqlalchemy import Row

from keyrelay.model.backlog import QueueStatus, TriggerState, TriggerWait
from keyrelay.model.dead_letter import UnreadableTrigger
from keyrelay.model.recorded import CutLeases
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import MalformedTrigger, Trigger

Columns = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The end of a token whose lease follows one that ended unsettled.
AFTER_CUT = "-cut"


class Settled(StrEnum):
    DONE = "done"
    BURIED = "buried"
    CANCELLED = "cancelled"


class Held(StrEnum):
    """Why a person holds a trigger: until it is released, or to cancel it."""

    HELD = "held"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteLoan:
    """A row on loan. `order` is less than that of any wake that came later."""

    token: str
    trigger: Trigger
    number: int
    unsettled: CutLeases | None
    done: frozenset[str]
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableLoan:
    """A row on loan that holds no trigger: it is damaged, or newer than the program."""

    token: str
    key: str | None
    trigger: UnreadableTrigger
    attempts: int


def to_microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def to_instant(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def accepted(
    trigger: Trigger, at: datetime, *, blocked: bool, done: Collection[str] = ()
) -> Columns:
    return {
        "profile": trigger.profile,
        "id": trigger.id,
        "key": trigger.key,
        "action": trigger.action,
        "body": trigger.encode(),
        "due": None if blocked else to_microseconds(at),
        "attempts": 0,
        "cut": False,
        "done": _encode_parts(done),
        "accepted_at": to_microseconds(at),
    }


def settled(loan: SqliteLoan, settlement: Settlement, at: datetime) -> Columns:
    """Return the parameters of the statement `SETTLE` for a loan."""
    match settlement:
        case Done():
            return ended(loan.token, Settled.DONE, at)
        case Bury():
            return ended(loan.token, Settled.BURIED, at)
        case TryAgain():
            return _columns(loan.token) | {
                "again_at": to_microseconds(at + settlement.after),
                "unspent": 0 if settlement.spent else 1,
                "parts": _encode_parts(settlement.done),
                "secret": settlement.waits_for,
                "why": settlement.reason,
            }
        case _:
            assert_never(settlement)


def loan(row: Row[*tuple[object, ...]], order: int) -> SqliteLoan:
    """Return the loan in a row of `LEND`. Raises MalformedTrigger, and nothing else."""
    # SQLite keeps a value of any type in any column.
    body = row.body if isinstance(row.body, bytes) else b""
    try:
        trigger, done = Trigger.decode(body), frozenset(json.loads(row.done))
        accepted_at = to_instant(row.accepted_at)
    except (ValueError, TypeError, OverflowError):
        raise MalformedTrigger("it is not what was written") from None
    return SqliteLoan(
        token=row.token,
        trigger=trigger.dated(accepted_at),
        number=row.attempts,
        unsettled=_cut_leases(row) if row.cut else None,
        done=done,
        order=order,
    )


def _cut_leases(row: Row[*tuple[object, ...]]) -> CutLeases:
    since = to_instant(row.accepted_at)
    return CutLeases(since=since, is_last=row.token.endswith(AFTER_CUT))


def status_of(
    row: Row[*tuple[object, ...]], trigger: Trigger | None = None
) -> QueueStatus:
    return QueueStatus(
        state=_state_of(row),
        attempts=row.attempts,
        accepted_at=_instant(row.accepted_at),
        wait=TriggerWait(
            due=_instant(row.due), reason=row.reason or None, secret=row.waits_for
        ),
        settled_at=_instant(row.settled_at),
        trigger=trigger,
    )


def _instant(microseconds: object) -> datetime | None:
    """Return the instant; None, there is none, or it cannot be read."""
    try:
        return to_instant(microseconds) if isinstance(microseconds, int) else None
    except OverflowError:
        return None


def _state_of(row: Row[*tuple[object, ...]]) -> TriggerState:
    if row.settlement is not None:
        return TriggerState(row.settlement)
    if row.held is not None:
        return TriggerState(row.held)
    if row.token is not None:
        return TriggerState.LEASED
    return TriggerState.RETRYING if row.attempts else TriggerState.WAITING


def unreadable(row: Row[*tuple[object, ...]]) -> UnreadableLoan:
    """Return the loan in a row of `LEND` that holds no trigger."""
    body = row.body
    raw = body if isinstance(body, bytes) else _text(body).encode()
    return UnreadableLoan(
        token=row.token,
        key=None if row.key is None else _text(row.key),
        trigger=UnreadableTrigger(
            profile=_text(row.profile), id=_text(row.id), raw=raw, done=_text(row.done)
        ),
        attempts=row.attempts - 1,
    )


def ended(token: str, kind: Settled, at: datetime) -> Columns:
    """Return the parameters of `SETTLE` for what ends so."""
    return _columns(token) | {"ended_at": to_microseconds(at), "kind": kind.value}


def _text(value: object) -> str:
    """Return a value as text: SQLite keeps one of any type in any column."""
    match value:
        case None:
            return ""
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def _columns(token: str) -> Columns:
    return {
        "of_token": token,
        "again_at": None,
        "unspent": 0,
        "parts": _encode_parts(()),
        "secret": None,
        "why": None,
        "ended_at": None,
        "kind": None,
    }


def _encode_parts(parts: Collection[str]) -> str:
    return json.dumps(sorted(parts))
