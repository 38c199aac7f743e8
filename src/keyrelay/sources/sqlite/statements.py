"""Statements: what the queue asks of its file, each in its own words."""

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from keyrelay.sources.sqlite.rows import Settled
from keyrelay.sources.sqlite.schema import triggers

_t = triggers.c

# Returns what was not known before.
ACCEPT = (
    insert(triggers)
    .on_conflict_do_nothing(index_elements=[_t.profile, _t.id])
    .returning(_t.profile, _t.id)
)

# The text of the token is unique: no other lease of the same moment has the row.
LEND = (
    update(triggers)
    .where(
        _t.sequence.in_(
            select(_t.sequence)
            .where(_t.due <= bindparam("now"))
            .order_by(_t.due, _t.sequence)
            .limit(bindparam("most"))
        )
    )
    .values(
        due=bindparam("ends_at"),
        token=bindparam("group").concat("-").concat(_t.sequence),
        attempts=_t.attempts + 1,
        cut=or_(_t.cut, _t.token.is_not(None)),
        waits_for=None,
    )
    .returning(
        _t.sequence, _t.profile, _t.id, _t.token, _t.body, _t.attempts, _t.cut, _t.done
    )
)

RENEW = (
    update(triggers)
    .where(_t.token.in_(bindparam("tokens", expanding=True)))
    .values(due=bindparam("ends_at"))
    .returning(_t.token)
)

HELD = select(_t.token).where(_t.token.in_(bindparam("tokens", expanding=True)))

# Whoever has lost the lease finds no row with its token, and changes nothing.
SETTLE = (
    update(triggers)
    .where(_t.token == bindparam("held"))
    .values(
        due=bindparam("again_at"),
        token=None,
        attempts=_t.attempts - bindparam("unspent", type_=Integer),
        done=bindparam("parts"),
        waits_for=bindparam("secret"),
        settled_at=bindparam("ended_at", type_=Integer),
        settlement=bindparam("kind"),
        body=case((bindparam("ended_at", type_=Integer).is_(None), _t.body)),
    )
)

# Makes the first in the line of a key due, if it is not already. This is asked
# whenever a line changes, in the same transaction, so that no crash can leave a
# line without a first.
ADVANCE = (
    update(triggers)
    .where(
        _t.due.is_(None),
        _t.sequence
        == select(func.min(_t.sequence))
        .where(
            _t.profile == bindparam("of_profile"),
            _t.key == bindparam("of_key"),
            _t.settled_at.is_(None),
        )
        .scalar_subquery(),
    )
    .values(due=bindparam("now"))
)

# In steps, here and below: a writer must not keep the others waiting for long.


def _wake(waiting: ColumnElement[bool]) -> Update:
    some = select(_t.sequence).where(waiting).limit(bindparam("most"))
    return (
        update(triggers)
        .where(_t.sequence.in_(some))
        .values(due=bindparam("now"), waits_for=None)
    )


WAKE = _wake(_t.waits_for == bindparam("secret"))
WAKE_ALL = _wake(_t.waits_for.is_not(None))

FORGET = delete(triggers).where(
    _t.sequence.in_(
        select(_t.sequence)
        .where(_t.settled_at < bindparam("before"))
        .limit(bindparam("most"))
    )
)

UNBURY = delete(triggers).where(
    _t.profile == bindparam("of_profile"),
    _t.id == bindparam("of_id"),
    _t.settlement == Settled.BURIED.value,
)
