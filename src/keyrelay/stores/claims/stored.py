"""Stored claims: what the row of a claim says, whatever stands in it.

SQLite keeps a value of any type in any column, and text that is no UTF-8.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import text_of
from keyrelay.model.backlog import TriggerWait
from keyrelay.model.claim import EARLIEST, Arrival, ClaimStatus
from keyrelay.stores.rows import ScopedId
from keyrelay.stores.unreadable import AnyRow, Statement, UnreadableRow, read_all

T = TypeVar("T")

Columns = Mapping[str, object]

NONE_DONE = "[]"

_MOST = 2**31  # more than any number that is counted
_DAMAGED = "its claim is damaged; the worker that takes it looks the trigger up"
_NULLABLE = frozenset({"owner", "alive", "settled_at", "reason", "waits_for", "action"})
_TRUTHS = ("0", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOwner:
    """Whether it is `alive` is None for one that signed off, or if there is none."""

    id: str | None
    alive: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNotes:
    """`claimed_at` is None where it cannot be read, `action` where it is not known."""

    claimed_at: datetime | None
    settled_at: datetime | None
    action: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredClaim:
    """A claim as it is understood.

    What is damaged counts as a claim that was cut, of a trigger that stands where its
    record says: the worker that takes it over asks the audit trail.
    """

    arrival: Arrival
    status: ClaimStatus
    owner: ClaimOwner
    notes: ClaimNotes
    wait: TriggerWait
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class _Cells:
    """The values of a row, typed or as bytes, and the names of the `damaged`."""

    values: Columns
    damaged: set[str] = field(default_factory=set)

    def read(self, name: str, convert: Callable[[object], T]) -> T | None:
        value = self.values.get(name)
        if value is None and name in _NULLABLE:
            return None
        try:
            return convert(value)
        except (ValueError, TypeError, msgspec.MsgspecError):
            self.damaged.add(name)
            return None


async def read_claims(
    connection: AsyncConnection,
    statement: Statement,
    named: Columns,
    asked: Mapping[ScopedId, Arrival],
) -> Sequence[StoredClaim]:
    """Read the claims that the statement selects.

    One that is damaged hides no others. `asked` are the records for which they are
    read, if there are any.
    """

    def parse(row: AnyRow) -> Columns:
        return row._asdict()

    rows = await read_all(connection, statement, named, parse)
    return [_stored(row, asked) for row in rows]


def _stored(
    row: Columns | UnreadableRow, asked: Mapping[ScopedId, Arrival]
) -> StoredClaim:
    cells = _Cells(row.columns if isinstance(row, UnreadableRow) else row)
    arrival = _arrival(cells, asked)
    status = _status(cells)
    owner = ClaimOwner(id=cells.read("owner", _text), alive=cells.read("alive", _truth))
    claimed_at = cells.read("claimed_at", _instant)
    notes = ClaimNotes(
        claimed_at=None if claimed_at == EARLIEST else claimed_at,
        settled_at=cells.read("settled_at", _instant),
        action=cells.read("action", _text),
    )
    reason, secret = cells.read("reason", _text), cells.read("waits_for", _text)
    is_damaged = bool(cells.damaged) or isinstance(row, UnreadableRow)
    return StoredClaim(
        arrival=replace(arrival, cut=arrival.cut or is_damaged),
        status=status,
        owner=owner,
        notes=notes,
        wait=TriggerWait(reason=_DAMAGED if is_damaged else reason, secret=secret),
        is_damaged=is_damaged,
    )


def _arrival(cells: _Cells, asked: Mapping[ScopedId, Arrival]) -> Arrival:
    profile, id_ = text_of(cells.values["profile"]), text_of(cells.values["id"])
    record = asked.get((profile, id_)) or Arrival(profile=profile, id=id_)

    def number(name: str, otherwise: int) -> int:
        found = cells.read(name, _number)
        return otherwise if found is None else found

    return replace(
        record,
        generation=number("generation", record.generation),
        sequence=number("sequence", record.sequence),
        attempts=number("attempts", record.attempts),
        cut=cells.read("cut", _truth) is not False,
        done=cells.read("done", _parts) or frozenset(),
    )


def _status(cells: _Cells) -> ClaimStatus:
    status = cells.read("status", lambda value: ClaimStatus(_text(value)))
    # Whether it was redriven since it was settled, its numbers do not tell.
    is_doubtful = bool(cells.damaged & {"generation", "sequence"})
    if is_doubtful and status in (ClaimStatus.DONE, ClaimStatus.BURIED):
        return ClaimStatus.CLAIMED
    return status or ClaimStatus.CLAIMED


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value.decode()
        case _:
            raise TypeError


def _number(value: object) -> int:
    number = value if isinstance(value, int) else int(_text(value))
    if not 0 <= number < _MOST:
        raise ValueError
    return number


def _truth(value: object) -> bool:
    return value if isinstance(value, bool) else bool(_TRUTHS.index(_text(value)))


def _instant(value: object) -> datetime:
    found = (
        value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    )
    return found.replace(tzinfo=found.tzinfo or UTC)


def known_instant(value: object) -> datetime | None:
    """Return the instant in a column; None, it cannot be read or is not known."""
    try:
        found = _instant(value)
    except (ValueError, TypeError):
        return None
    return None if found == EARLIEST else found


def _parts(value: object) -> frozenset[str]:
    text = _text(value)
    if text == NONE_DONE:
        return frozenset()
    return frozenset(msgspec.json.decode(text, type=list[str]))
