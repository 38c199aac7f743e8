"""Inserting: rows of new triggers, each put into the table once."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import msgspec

from keyrelay.model.trigger import Trigger
from keyrelay.sources.sqlite.rows import NONE, Columns
from keyrelay.sources.sqlite.statements import (
    ACCEPT,
    ACCEPT_TOGETHER,
    ADVANCE,
    TOGETHER,
    UNBURY,
    YOUNGEST,
)


class AcceptedRow(NamedTuple):
    """The parameters of `ACCEPT`, in its order: what a new trigger has of its own."""

    profile: str
    id: str
    key: str | None
    action: str
    body: bytes
    due: int | None
    done: str
    accepted_at: int
    revision: str | None
    publisher: str | None


def accepted(
    trigger: Trigger, at: int, revision: str | None, *, blocked: bool, done: str = NONE
) -> AcceptedRow:
    """Return the row of a trigger; what is given for many was made once."""
    return AcceptedRow(
        profile=trigger.profile,
        id=trigger.id,
        key=trigger.key,
        action=trigger.action,
        body=msgspec.json.encode(trigger.document(instant=_as_it_is)),
        due=None if blocked else at,
        done=done,
        accepted_at=at,
        revision=revision,
        publisher=trigger.lifetime.publisher,
    )


def _as_it_is(instant: datetime) -> datetime:
    """Leave it to msgspec, which writes it in a tenth of the time."""
    return instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """The work of one transaction; `advanced` are the parameters of ADVANCE."""

    rows: Sequence[AcceptedRow]
    advanced: Sequence[Columns]

    def insert(self, connection: sqlite3.Connection) -> Sequence[bool]:
        """Insert the rows that are not there; return which of them were inserted."""
        new = _insert(connection, self.rows)
        if self.advanced:
            connection.executemany(ADVANCE, self.advanced)
        return new

    def insert_again(self, connection: sqlite3.Connection) -> Sequence[bool]:
        """Do the same, and replace those that are buried; they keep their publisher."""
        rows = [
            row._replace(publisher=_unbury(connection, row))  # as before
            for row in self.rows
        ]
        return Insertion(rows=rows, advanced=self.advanced).insert(connection)


def _insert(
    connection: sqlite3.Connection, rows: Sequence[AcceptedRow]
) -> Sequence[bool]:
    """Insert in their order the rows that are not there; tell of each whether it was.

    A row that stands there twice is inserted as the first of both.
    """
    count, together = 0, len(rows) - len(rows) % TOGETHER
    for first in range(0, together, TOGETHER):
        values = tuple(chain.from_iterable(rows[first : first + TOGETHER]))
        count += connection.execute(ACCEPT_TOGETHER, values).rowcount
    count += connection.executemany(ACCEPT, rows[together:]).rowcount
    if count in (0, len(rows)):  # as of most requests
        return [count > 0] * len(rows)
    new = set(connection.execute(YOUNGEST, (count,)))
    answers: list[bool] = []
    for row in rows:
        id_ = (row.profile, row.id)
        answers.append(id_ in new)
        new.discard(id_)
    return answers


def _unbury(connection: sqlite3.Connection, row: AcceptedRow) -> str | None:
    """Delete the row if it is buried; return its publisher."""
    deleted = connection.execute(UNBURY, (row.profile, row.id)).fetchall()
    return deleted[0][0] if deleted else None
