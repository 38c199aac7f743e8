"""Statements: every SQL statement that changes the queue."""

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    case,
    delete,
    or_,
    select,
    update,
)

from keyrelay.sources.sqlite.rows import AFTER_CUT, Settled
from keyrelay.sources.sqlite.schema import triggers

_t = triggers.c

# As texts, for the driver: SQLAlchemy would put a statement together for each batch, of
# all its rows, which took several times as long as the insert.
_ACCEPT = (
    "INSERT INTO triggers (profile, id, key, action, body, due, done, accepted_at,"
    " revision, publisher, attempts, cut) VALUES {rows}"
    " ON CONFLICT (profile, id) DO NOTHING"
)
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"
ACCEPT = _ACCEPT.format(rows=_ROW)
# Between two statements the thread waits until the event loop pauses: the more rows in
# one, the better. Above so many it makes no difference.
TOGETHER = 50
ACCEPT_TOGETHER = _ACCEPT.format(rows=", ".join([_ROW] * TOGETHER))
# Rows are numbered in the order of their insertion: the last ones are those that a
# transaction has just inserted.
YOUNGEST = "SELECT profile, id FROM triggers ORDER BY sequence DESC LIMIT ?"
# A trigger's row that is buried. Its letter is there: a settlement that cannot be read
# was a burial.
UNBURY = (
    "DELETE FROM triggers WHERE profile = ? AND id = ? AND settled_at IS NOT NULL"
    " AND coalesce(settlement, '') NOT IN ('done', 'cancelled') RETURNING publisher"
)
# Makes the first unsettled trigger of a key due, if it is not already and no person
# holds it. It runs in the transaction of every change to the key's triggers, so that no
# crash can leave a key of which no trigger is ever due.
ADVANCE = (
    "UPDATE triggers SET due = :now WHERE due IS NULL AND held IS NULL AND sequence ="
    " (SELECT min(sequence) FROM triggers WHERE profile = :of_profile"
    " AND key = :of_key AND settled_at IS NULL)"
)

# The token is unique: `group` is a new id for each call, and no two rows of one call
# have the same sequence.
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
        token=bindparam("group")
        .concat("-")
        .concat(_t.sequence)
        .concat(case((_t.token.is_not(None), AFTER_CUT), else_="")),
        attempts=_t.attempts + 1,
        cut=or_(_t.cut, _t.token.is_not(None)),
        waits_for=None,
    )
    .returning(
        *(_t.sequence, _t.profile, _t.id, _t.key, _t.token, _t.body),
        *(_t.attempts, _t.cut, _t.done, _t.accepted_at, _t.revision),
    )
)

RENEW = (
    update(triggers)
    .where(_t.token.in_(bindparam("tokens", expanding=True)))
    .values(due=bindparam("ends_at"))
    .returning(_t.token)
)

HELD = select(_t.token).where(_t.token.in_(bindparam("tokens", expanding=True)))

# The token is the guard: a lease that was lost finds no row, and changes nothing.
SETTLE = (
    update(triggers)
    .where(_t.token == bindparam("of_token"))
    .values(
        due=bindparam("again_at"),
        token=None,
        attempts=_t.attempts - bindparam("unspent", type_=Integer),
        done=bindparam("parts"),
        waits_for=bindparam("secret"),
        reason=bindparam("why"),
        settled_at=bindparam("ended_at", type_=Integer),
        settlement=bindparam("kind"),
        body=case((bindparam("ended_at", type_=Integer).is_(None), _t.body)),
    )
)

# What people change, each row by its sequence, and only after it was read in the same
# transaction.
STANDING = (
    select(*(column for column in _t if column.name != "body"))
    .where(_t.profile == bindparam("of_profile"))
    .where(_t.id.in_(bindparam("ids", expanding=True)))
)
_AT = _t.sequence == bindparam("at")
# A lease that has expired is lost by it; that it ended unsettled is kept.
HOLD = (
    update(triggers)
    .where(_AT)
    .values(
        due=None,
        cut=or_(_t.cut, _t.token.is_not(None)),
        token=None,
        waits_for=None,
        held=bindparam("kind"),
        reason=bindparam("why"),
    )
)
RELEASE = (
    update(triggers)
    .where(_AT)
    .values(due=bindparam("again_at"), held=None, reason=None)
)
RETRY = update(triggers).where(_AT).values(due=bindparam("again_at"), waits_for=None)
CANCEL = (
    update(triggers)
    .where(_AT)
    .values(
        held=None,
        body=None,
        reason=None,
        settled_at=bindparam("ended_at"),
        settlement=Settled.CANCELLED.value,
    )
)

# From here on statements take `most` rows: a writer must not keep others waiting.


def _wake(waiting: ColumnElement[bool]) -> Update:
    some = select(_t.sequence).where(waiting).limit(bindparam("most"))
    return (
        update(triggers)
        .where(_t.sequence.in_(some))
        .values(due=bindparam("now"), waits_for=None)
    )


WAKE = _wake(_t.waits_for == bindparam("secret"))
WAKE_ALL = _wake(_t.waits_for.is_not(None))

# A lease that ends so late is given time to be renewed, which sets its end aright.
BRING_FORWARD = (
    update(triggers)
    .where(
        _t.sequence.in_(
            select(_t.sequence)
            .where(_t.due > bindparam("latest"))
            .limit(bindparam("most"))
        )
    )
    .values(
        due=case((_t.token.is_(None), bindparam("now")), else_=bindparam("ends_at"))
    )
)

# A row without a due time that nothing explains: no earlier one of its key, no person.
_earlier = triggers.alias("earlier")
_EARLIER = select(_earlier.c.sequence).where(
    _earlier.c.profile == _t.profile,
    _earlier.c.key == _t.key,
    _earlier.c.settled_at.is_(None),
    _earlier.c.sequence < _t.sequence,
)
STRANDED = select(_t.sequence).where(
    _t.settled_at.is_(None), _t.due.is_(None), _t.held.is_(None), ~_EARLIER.exists()
)
RESUME = (
    update(triggers)
    .where(_t.sequence.in_(STRANDED.limit(bindparam("most"))))
    .values(due=bindparam("now"))
)

FORGET = delete(triggers).where(
    _t.sequence.in_(
        select(_t.sequence)
        .where(_t.settled_at < bindparam("before"))
        .limit(bindparam("most"))
    )
)
