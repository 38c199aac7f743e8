"""Record query: which audit records are meant, newest first."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal, literal_column, select, tuple_

from keyrelay.model.cursor import Cursor, no_cursor
from keyrelay.model.ids import is_id
from keyrelay.stores.schema.tables import audit_records
from keyrelay.stores.unreadable import Statement

# The kinds of which each has an index of its own.
_RARE = ("change", "release")

_RECORDS = audit_records.c
_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which of a profile's records, newest first; what is None does not matter.

    `action` is an action, or an analysis that something was released to, by id.
    `after` is the place of a record: those that come after it.
    """

    kind: str | None = None
    trigger: str | None = None
    action: str | None = None
    since: datetime | None = None
    after: Cursor | None = None
    amount: int = 20


def place_of(at: datetime, chain: str, seq: int) -> Cursor:
    """Return the place of a record in every list that it is in."""
    return Cursor(at, f"{chain}.{seq}")


def listed(profile: str, query: AuditQuery) -> Statement:
    """Return the statement for the records that match, of any amount.

    Raises InvalidDefinition for an `after` that is no place of a record.
    """
    statement = select(audit_records).where(_RECORDS.profile == profile)
    if query.kind in _RARE:  # not bound: the index of that kind must be seen to fit
        statement = statement.where(_RECORDS.kind == literal_column(f"'{query.kind}'"))
    elif query.kind is not None:
        statement = statement.where(_RECORDS.kind == query.kind)
    if query.trigger is not None:
        statement = statement.where(_RECORDS.trigger == query.trigger)
    if query.action is not None:
        statement = statement.where(_RECORDS.action == query.action)
    if query.since is not None:
        statement = statement.where(_RECORDS.at >= query.since)
    if query.after is not None:
        statement = _going_on(statement, query.after)
    newest = (_RECORDS.at.desc(), _RECORDS.chain.desc(), _RECORDS.seq.desc())
    return statement.order_by(*newest)


def _going_on(statement: Statement, after: Cursor) -> Statement:
    chain, _, seq = after.id.partition(".")
    if not is_id(chain) or _NUMBER.fullmatch(seq) is None:
        raise no_cursor()
    last = tuple_(
        literal(after.at, _RECORDS.at.type),
        literal(chain, _RECORDS.chain.type),
        literal(int(seq), _RECORDS.seq.type),
    )
    place = tuple_(_RECORDS.at, _RECORDS.chain, _RECORDS.seq)
    # The first says where an index begins.
    return statement.where(_RECORDS.at <= after.at, place < last)
