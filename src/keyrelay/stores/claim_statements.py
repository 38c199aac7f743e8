"""Claim statements: what is asked of the claims, for a whole batch at a time.

Their one parameter that grows is a JSON list of rows, so that the text of a statement
is the same however many they are, and prepared once.
"""

from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Delete,
    Executable,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from keyrelay.claim import SETTLED, Hold
from keyrelay.stores.database import Database
from keyrelay.stores.tables import Instant, claims, workers

_Columns = dict[str, Text | Integer | Boolean]

_c = claims.c
_PLACE: _Columns = {"profile": Text(), "id": Text()}
_TURN: _Columns = {"life": Integer(), "turn": Integer()}
_TRIED: _Columns = {"attempts": Integer(), "cut": Boolean(), "done": Text()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """`claim` returns what is new, `standings` what is not and `end` what was ours."""

    claim: Executable
    standings: Executable
    take: Executable
    give_back: Executable
    end: Executable


def statements_for(database: Database) -> Statements:
    return Statements(
        claim=_claim(database),
        standings=_standings(database),
        take=_take(database),
        give_back=_give_back(database),
        end=_end(database),
    )


def one() -> Select[tuple[object, ...]]:
    """Return the standing at `profile` and `id`."""
    return _standing(claims).where(
        _c.profile == bindparam("profile"), _c.id == bindparam("id")
    )


def forget() -> Delete:
    """Forget up to `most` of what was settled before `before`."""
    old = select(_c.profile, _c.id).where(_c.settled_at < bindparam("before"))
    some = old.order_by(_c.settled_at).limit(bindparam("most"))
    return delete(claims).where(tuple_(_c.profile, _c.id).in_(some))


def _claim(database: Database) -> Executable:
    rows = _rows(database, _PLACE | _TURN | _TRIED)
    claim = select(
        *rows.c,
        literal(Hold.CLAIMED.value),
        bindparam("ours", type_=_c.owner.type),
        bindparam("now", type_=Instant),
    ).where(true())  # or SQLite takes ON CONFLICT for the condition of a join
    columns = [*rows.c.keys(), "hold", "owner", "claimed_at"]
    if database.is_shared:
        into = postgresql.insert(claims).from_select(columns, claim)
        new = into.on_conflict_do_nothing(index_elements=[_c.profile, _c.id])
        return new.returning(_c.profile, _c.id)
    onto = sqlite.insert(claims).from_select(columns, claim)
    unknown = onto.on_conflict_do_nothing(index_elements=[_c.profile, _c.id])
    return unknown.returning(_c.profile, _c.id)


def _standings(database: Database) -> Executable:
    rows = _rows(database, _PLACE)
    # Locked, and in order: nobody else judges them meanwhile, and no two who want
    # several of the same wait for each other.
    return (
        _standing(rows.join(claims, _is_at(rows)))
        .order_by(_c.profile, _c.id)
        .with_for_update(of=claims)
    )


def _standing(at: FromClause) -> Select[tuple[object, ...]]:
    """Return the claims, and whether their owner is `alive`; null, it is gone."""
    now = bindparam("now", type_=Instant)
    alive = (workers.c.alive_until > now).label("alive")
    owned = at.outerjoin(workers, workers.c.id == _c.owner)
    return select(claims, alive).select_from(owned)


def _take(database: Database) -> Executable:
    rows = _rows(database, _PLACE | _TURN | _TRIED)
    now = bindparam("now", type_=Instant)
    first = case((_c.life < rows.c.life, now), else_=_c.claimed_at)
    return (
        update(claims)
        .where(_is_at(rows))
        .values(
            {name: rows.c[name] for name in (*_TURN, *_TRIED)}
            | {"hold": Hold.CLAIMED.value, "owner": bindparam("ours")}
            | {"claimed_at": first, "settled_at": None}
        )
    )


def _give_back(database: Database) -> Executable:
    rows = _rows(database, _PLACE)
    return (
        update(claims)
        .where(_is_at(rows), _is_ours())
        .values(hold=Hold.PARKED.value, owner=None, attempts=_c.attempts - 1)
    )


def _end(database: Database) -> Executable:
    before: _Columns = {f"claimed_{name}": type_ for name, type_ in _TURN.items()}
    hold: _Columns = {"hold": Text()}
    rows = _rows(database, _PLACE | before | hold | _TURN | _TRIED)
    still = and_(
        _is_at(rows),
        _is_ours(),
        _c.life == rows.c.claimed_life,
        _c.turn == rows.c.claimed_turn,
    )
    settled = or_(*(rows.c.hold == hold.value for hold in sorted(SETTLED)))
    return (
        update(claims)
        .where(still)
        .values(
            {name: rows.c[name] for name in ("hold", *_TURN, *_TRIED)}
            | {"owner": None}
            | {"settled_at": case((settled, bindparam("now", type_=Instant)))}
        )
        .returning(_c.profile, _c.id)
    )


def _is_at(rows: Subquery) -> ColumnElement[bool]:
    return and_(_c.profile == rows.c.profile, _c.id == rows.c.id)


def _is_ours() -> ColumnElement[bool]:
    return and_(_c.owner == bindparam("ours"), _c.hold == Hold.CLAIMED.value)


def _rows(database: Database, columns: _Columns) -> Subquery:
    """Return the rows of the JSON list `rows`; here alone the databases differ."""
    text = bindparam("rows", type_=Text)
    parts: list[ColumnElement[object]]
    if database.is_shared:
        row = func.jsonb_array_elements(cast(text, postgresql.JSONB))
        value = row.table_valued("value").c.value
        parts = [value.op("->>")(_literal(str(n))) for n in range(len(columns))]
    else:
        value = func.json_each(text).table_valued("value").c.value
        places = [_literal(f"'$[{n}]'") for n in range(len(columns))]
        parts = [func.json_extract(value, place) for place in places]
    typed = zip(parts, columns.items(), strict=True)
    return select(*(cast(part, t).label(name) for part, (name, t) in typed)).subquery()


def _literal(text: str) -> ColumnElement[object]:
    return literal_column(text)
