"""Unreadable rows: rows that are not what was written, and that hide no others."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import LargeBinary, Row, Select, cast, func, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import text_of
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.trigger import MalformedTrigger

T = TypeVar("T")

AnyRow = Row[tuple[object, ...]]
Statement = Select[tuple[object, ...]]

_ANY_REASON = "a value in its row is not what was written"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """The columns of such a row as they stand, and why it cannot be read."""

    columns: Mapping[str, object]
    reason: str

    def text(self, column: str) -> str:
        """Return the column as text; bytes that are no UTF-8 are replaced."""
        return text_of(self.columns.get(column))

    def instant(self, column: str) -> datetime | None:
        """Return the column as an instant, as far as it can be read as one."""
        value = self.columns.get(column)
        if isinstance(value, datetime):
            return value
        try:  # SQLite keeps it as text, and hands out its bytes
            return datetime.fromisoformat(text_of(value)).replace(tzinfo=UTC)
        except ValueError:
            return None

    @property
    def document(self) -> Mapping[str, object]:
        """The columns for JSON; bytes that are no UTF-8 as `{"base64": …}`."""
        return {name: _for_json(value) for name, value in self.columns.items()}


def require_readable(stored: T | UnreadableRow, named: str) -> T:
    """Return what was read. Raises InvalidDefinition if it could not be."""
    if isinstance(stored, UnreadableRow):
        raise InvalidDefinition(
            f"{named} cannot be read: {stored.reason}; delete it, or restore its row"
            " from a backup"
        )
    return stored


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows of an ordered statement."""

    offset: int
    amount: int


ONE = Slice(0, 1)


async def read_all(
    connection: AsyncConnection,
    statement: Statement,
    named: Mapping[str, object],
    parse: Callable[[AnyRow], T],
) -> list[T | UnreadableRow]:
    """Read all rows of a statement, as `read_rows` does.

    Only if one of them cannot be read is the statement another than it was.
    """
    try:
        found = (await connection.execute(statement, named)).all()
    except (ValueError, TypeError, DBAPIError) as fault:
        if not is_of_a_value(connection, fault):
            raise
        counted = select(func.count()).select_from(statement.subquery())
        count = (await connection.execute(counted, named)).scalar_one()
        ordered, rows = statement.params(named), Slice(0, max(1, count))
        return await read_rows(connection, ordered, rows, parse)
    return [_parsed(row, parse) for row in found]


async def read_rows(
    connection: AsyncConnection,
    ordered: Statement,
    rows: Slice,
    parse: Callable[[AnyRow], T],
) -> list[T | UnreadableRow]:
    """Read a slice of the statement's rows; one that cannot be read hides no others.

    `parse` raises ValueError or TypeError for a row that is not what was written.
    """
    chosen = ordered.offset(rows.offset).limit(rows.amount)
    try:
        found = (await connection.execute(chosen)).all()
    except (ValueError, TypeError, DBAPIError) as fault:
        # SQLite keeps a value of any type in any column, and text that is no UTF-8.
        if not is_of_a_value(connection, fault):
            raise
        if rows.amount == 1:
            return [*await _as_they_stand(connection, chosen)]
        half = rows.amount // 2
        first = Slice(rows.offset, half)
        second = Slice(rows.offset + half, rows.amount - half)
        return [
            *await read_rows(connection, ordered, first, parse),
            *await read_rows(connection, ordered, second, parse),
        ]
    return [_parsed(row, parse) for row in found]


async def read_parts(
    connection: AsyncConnection,
    parts: Sequence[Statement],
    rows: Slice,
    parse: Callable[[AnyRow], T],
) -> list[T | UnreadableRow]:
    """Read a slice of the rows of several statements, one after the other."""
    found, offset = list[T | UnreadableRow](), rows.offset
    for number, part in enumerate(parts, 1):
        rest = Slice(offset, rows.amount - len(found))
        read = await read_rows(connection, part, rest, parse)
        found += read
        if len(found) == rows.amount or number == len(parts):
            break
        if read:
            offset = 0
        elif offset:
            offset -= await _count(connection, part, offset)
    return found


async def _count(connection: AsyncConnection, part: Statement, most: int) -> int:
    """Return how many rows the statement has, of which `most` matter."""
    one = part.with_only_columns(literal(1), maintain_column_froms=True)
    counted = select(func.count()).select_from(one.limit(most).subquery())
    return (await connection.execute(counted)).scalar_one()


def _for_json(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case _:
            return str(value)


def is_of_a_value(connection: AsyncConnection, fault: Exception) -> bool:
    """Tell a value that cannot be read from a database that does not answer."""
    if connection.dialect.name != "sqlite":
        return False
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    # What SQLite itself refuses has a code; what Python cannot convert has none.
    return not hasattr(cause, "sqlite_errorcode")


async def _as_they_stand(
    connection: AsyncConnection, chosen: Statement
) -> list[UnreadableRow]:
    columns = [
        cast(each, LargeBinary).label(each.name) for each in chosen.selected_columns
    ]
    raw = chosen.with_only_columns(*columns, maintain_column_froms=True)
    rows = (await connection.execute(raw)).mappings().all()
    return [UnreadableRow(columns=dict(row), reason=_ANY_REASON) for row in rows]


def _parsed(row: AnyRow, parse: Callable[[AnyRow], T]) -> T | UnreadableRow:
    try:
        return parse(row)
    except (InvalidDefinition, MalformedTrigger) as fault:
        reason = str(fault)  # names fields, and no value
    except (ValueError, TypeError):
        reason = _ANY_REASON
    return UnreadableRow(columns=row._asdict(), reason=reason)
