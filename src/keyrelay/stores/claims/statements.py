"""Claim statements: what is asked of the claims, for a whole batch at a time.

Their one parameter that grows is a JSON list of rows, so that the text of a statement
is the same however many they are, and prepared once. Those that write are words: to put
them together from parts takes longer, each time, than to write a few rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import (
    Delete,
    FromClause,
    Select,
    String,
    TextClause,
    and_,
    bindparam,
    delete,
    select,
    text,
    tuple_,
)

from keyrelay.databases.database import Database
from keyrelay.stores.schema.tables import Instant, claims, workers

_c = claims.c
_PLACE = {"profile": "VARCHAR", "id": "VARCHAR"}
_SEQUENCE = {"generation": "INTEGER", "sequence": "INTEGER"}
_TRIED = {"attempts": "INTEGER", "cut": "BOOLEAN", "done": "VARCHAR"}
_CLAIMED_SEQUENCE = {"claimed_generation": "INTEGER", "claimed_sequence": "INTEGER"}

_CLAIM = """
INSERT INTO claims
  (profile, id, generation, sequence, attempts, cut, done, status, owner, claimed_at)
SELECT
  profile, id, generation, sequence, attempts, cut, done, 'claimed', :ours, :now
FROM ({rows}) AS rows
WHERE true -- or SQLite takes what follows for the condition of a join
ON CONFLICT (profile, id) DO NOTHING
RETURNING profile, id
"""

_TAKE = """
UPDATE claims
SET generation = rows.generation, sequence = rows.sequence,
  attempts = rows.attempts, cut = rows.cut,
  done = rows.done, status = 'claimed', owner = :ours, settled_at = NULL,
  claimed_at = CASE
    WHEN claims.generation < rows.generation THEN :now ELSE claims.claimed_at
  END
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
"""

_GIVE_BACK = """
UPDATE claims
SET attempts = attempts - 1, status = 'parked', owner = NULL
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
  AND claims.owner = :ours
"""

_END = """
UPDATE claims
SET generation = rows.generation, sequence = rows.sequence,
  attempts = rows.attempts, cut = rows.cut,
  done = rows.done, status = rows.status, owner = NULL,
  settled_at = CASE WHEN rows.status IN ('done', 'buried') THEN :now END
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
  AND claims.owner = :ours
  AND claims.generation = rows.claimed_generation
  AND claims.sequence = rows.claimed_sequence
RETURNING claims.profile, claims.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """`claim` returns what is new, `standings` what is not, and `end` what was ours.

    `standings` locks what it returns, so that nobody else judges it meanwhile, and
    leaves out what somebody has locked: who waits for nobody is in nobody's way.
    """

    claim: TextClause
    states: Select[tuple[object, ...]]
    take: TextClause
    give_back: TextClause
    end: TextClause


def statements_for(database: Database) -> Statements:
    tried = _rows(database, _PLACE | _SEQUENCE | _TRIED)
    ended = _PLACE | _CLAIMED_SEQUENCE | {"status": "VARCHAR"} | _SEQUENCE | _TRIED
    return Statements(
        claim=_writing(_CLAIM, tried),
        states=_states(_rows(database, _PLACE)),
        take=_writing(_TAKE, tried),
        give_back=_writing(_GIVE_BACK, _rows(database, _PLACE)),
        end=_writing(_END, _rows(database, ended)),
    )


def one() -> Select[tuple[object, ...]]:
    """Return the standing at `profile` and `id`."""
    at = and_(_c.profile == bindparam("profile"), _c.id == bindparam("id"))
    return _state(claims).where(at)


def forget() -> Delete:
    """Forget up to `most` of what was settled before `before`."""
    old = select(_c.profile, _c.id).where(_c.settled_at < bindparam("before"))
    some = old.order_by(_c.settled_at).limit(bindparam("most"))
    # What another worker is just forgetting is left to it.
    free = some.with_for_update(skip_locked=True)
    return delete(claims).where(tuple_(_c.profile, _c.id).in_(free))


def _writing(words: str, rows: str) -> TextClause:
    told = (
        bindparam("ours", type_=String),
        bindparam("now", type_=Instant),
        bindparam("rows", type_=String),
    )
    said = [each for each in told if f":{each.key}" in words + rows]
    return text(words.format(rows=rows)).bindparams(*said)


def _states(rows: str) -> Select[tuple[object, ...]]:
    given = text(rows).bindparams(bindparam("rows", type_=String))
    wanted = given.columns(_c.profile, _c.id).subquery("wanted")
    at = and_(_c.profile == wanted.c.profile, _c.id == wanted.c.id)
    joined = _state(wanted.join(claims, at))
    return joined.with_for_update(of=claims, skip_locked=True)


def _state(at: FromClause) -> Select[tuple[object, ...]]:
    """Return the claims, and whether their owner is `alive`; null, it is gone."""
    now = bindparam("now", type_=Instant)
    alive = (workers.c.alive_until > now).label("alive")
    owned = at.outerjoin(workers, workers.c.id == _c.owner)
    return select(claims, alive).select_from(owned)


def _rows(database: Database, columns: Mapping[str, str]) -> str:
    """Return what reads the JSON list `rows`; here alone the databases differ."""
    if database.is_shared:
        part, listed = "value ->> {}", "jsonb_array_elements(CAST(:rows AS jsonb))"
    else:
        part, listed = "json_extract(value, '$[{}]')", "json_each(:rows)"
    parts = [
        f"CAST({part.format(number)} AS {type_}) AS {name}"
        for number, (name, type_) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(parts)} FROM {listed}"  # noqa: S608 - our own words
