"""Rows: how triggers, loans and settlements are written in the table and read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

import msgspec
from sqlalchemy import Row

from keyrelay.databases.database import text_of
from keyrelay.model.backlog import QueueEntry, QueueStatus, TriggerState, TriggerWait
from keyrelay.model.dead_letter import UnreadableTrigger
from keyrelay.model.recorded import CutLeases
from keyrelay.model.revision import parse_revision
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import MalformedTrigger, Trigger

Columns = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The end of a token whose lease follows one that ended unsettled.
AFTER_CUT = "-cut"
NONE = "[]"  # no parts, as `encode_parts` writes them
_PARTS = msgspec.json.Decoder(list[str])


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
                "parts": encode_parts(settlement.done),
                "secret": settlement.waits_for,
                "why": settlement.reason,
            }
        case _:
            assert_never(settlement)


def loan(row: Row[*tuple[object, ...]], order: int) -> SqliteLoan:
    """Return the loan in a row of `LEND`. Raises MalformedTrigger, and nothing else."""
    # SQLite keeps a value of any type in any column.
    body = row.body if isinstance(row.body, bytes) else b""
    number, accepted_at = _count(row.attempts), instant_of(row.accepted_at)
    try:
        trigger, done = Trigger.decode(body), frozenset(_PARTS.decode(row.done))
    except (ValueError, TypeError, msgspec.MsgspecError):
        raise MalformedTrigger("it is not what was written") from None
    if not number or accepted_at is None:
        raise MalformedTrigger("it is not what was written")
    is_last = row.token.endswith(AFTER_CUT)
    return SqliteLoan(
        token=row.token,
        trigger=trigger.dated(accepted_at).under(
            parse_revision(_words(row.revision) or "")
        ),
        number=number,
        unsettled=CutLeases(since=accepted_at, is_last=is_last) if row.cut else None,
        done=done,
        order=order,
    )


def entry_of(row: Row[*tuple[object, ...]]) -> QueueEntry:
    return QueueEntry(
        id=text_of(row.id),
        action=_words(row.action),
        key=_words(row.key),
        status=status_of(row),
        place=str(row.sequence),
    )


def status_of(
    row: Row[*tuple[object, ...]], trigger: Trigger | None = None
) -> QueueStatus:
    """Return where the trigger of a row stands, whatever else the row holds."""
    state, reason = _state_of(row), _words(row.reason)
    if row.settled_at is not None and _settled_as(row) is None:
        reason = "its row is damaged: its last audit record says how it ended"
    return QueueStatus(
        state=state,
        attempts=_count(row.attempts) or 0,
        accepted_at=instant_of(row.accepted_at),
        wait=TriggerWait(
            due=instant_of(row.due), reason=reason, secret=_words(row.waits_for)
        ),
        settled_at=instant_of(row.settled_at),
        trigger=trigger,
    )


def is_due(row: Row[*tuple[object, ...]], now: datetime) -> bool:
    due = instant_of(row.due)
    return due is not None and due <= now


def instant_of(microseconds: object) -> datetime | None:
    """Return the instant; None, there is none, or it cannot be read."""
    try:
        return to_instant(microseconds) if isinstance(microseconds, int) else None
    except OverflowError:
        return None


def _count(number: object) -> int | None:
    """Return how many there are; None if it cannot be read."""
    return number if isinstance(number, int) and 0 <= number < 2**31 else None


def _state_of(row: Row[*tuple[object, ...]]) -> TriggerState:
    settlement = _settled_as(row)
    if settlement is not None:
        return TriggerState(settlement)
    if row.settled_at is not None:
        return TriggerState.DONE
    if row.held is not None:
        is_ending = row.held == Held.CANCELLING
        return TriggerState.CANCELLING if is_ending else TriggerState.HELD
    if row.token is not None:
        return TriggerState.LEASED
    is_new = _count(row.attempts) == 0
    return TriggerState.WAITING if is_new else TriggerState.RETRYING


def _settled_as(row: Row[*tuple[object, ...]]) -> Settled | None:
    """Return how the trigger was settled; None, it was not, or that cannot be read."""
    try:
        return Settled(row.settlement)
    except ValueError:
        return None


def unreadable(row: Row[*tuple[object, ...]]) -> UnreadableLoan:
    """Return the loan in a row of `LEND` that holds no trigger."""
    raw = row.body if isinstance(row.body, bytes) else text_of(row.body).encode()
    return UnreadableLoan(
        token=row.token,
        key=None if row.key is None else text_of(row.key),
        trigger=UnreadableTrigger(
            profile=text_of(row.profile),
            id=text_of(row.id),
            raw=raw,
            done=text_of(row.done),
        ),
        attempts=max((_count(row.attempts) or 0) - 1, 0),
    )


def ended(token: str, kind: Settled, at: datetime) -> Columns:
    """Return the parameters of `SETTLE` for what ends so."""
    return _columns(token) | {"ended_at": to_microseconds(at), "kind": kind.value}


def _words(value: object) -> str | None:
    return None if value in (None, "") else text_of(value)


def _columns(token: str) -> Columns:
    return {
        "of_token": token,
        "again_at": None,
        "unspent": 0,
        "parts": NONE,
        "secret": None,
        "why": None,
        "ended_at": None,
        "kind": None,
    }


def encode_parts(parts: Collection[str]) -> str:
    return msgspec.json.encode(sorted(parts)).decode()
