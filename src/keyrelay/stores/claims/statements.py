"""Claim statements: the SQL of claims, each for a whole batch at a time.

The rows are one parameter, a JSON list: the text of a statement is the same for any
number of rows, and is prepared once. Those that write are text: SQLAlchemy takes longer
to compile them, each time, than the database to write a few rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import (
    Delete,
    FromClause,
    Integer,
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
from keyrelay.model.claim import EARLIEST
from keyrelay.stores.claims.heartbeat import NEVER
from keyrelay.stores.schema.column_types import Instant
from keyrelay.stores.schema.tables import claims, profiles, workers

_c = claims.c
ID = {"profile": "VARCHAR", "id": "VARCHAR"}
_SEQUENCE = {"generation": "INTEGER", "sequence": "INTEGER"}
_ATTEMPTS = {"attempts": "INTEGER", "cut": "BOOLEAN", "done": "VARCHAR"}
_WAIT = {"reason": "VARCHAR", "waits_for": "VARCHAR"}
_KEPT = {"status": "VARCHAR", "owner": "VARCHAR", "is_dated": "BOOLEAN"}
_CLAIMED_SEQUENCE = {"claimed_generation": "INTEGER", "claimed_sequence": "INTEGER"}

# In the words of the index of these claims, or the databases would not use it.
IS_UNSETTLED = text("claims.status NOT IN ('done', 'buried', 'cancelled')")

_CLAIM = """
INSERT INTO claims
  (profile, id, generation, sequence, attempts, cut, done, status, owner, claimed_at)
SELECT
  profile, id, generation, sequence, attempts, cut, done, 'claimed', :ours, :now
FROM ({rows}) AS rows
-- The update would wait for what is locked, also where its condition leaves it out.
WHERE NOT EXISTS (SELECT 1 FROM claims AS known WHERE known.status <> 'accepted'
  AND known.profile = rows.profile AND known.id = rows.id)
ON CONFLICT (profile, id) DO UPDATE
SET attempts = excluded.attempts, cut = excluded.cut, done = excluded.done,
  status = excluded.status, owner = excluded.owner
WHERE claims.status = 'accepted' -- and never read: this is its first record
  AND excluded.generation = 0 AND excluded.sequence = 0
RETURNING profile, id, claimed_at
"""

_TAKE = """
UPDATE claims
SET generation = rows.generation, sequence = rows.sequence,
  attempts = rows.attempts, cut = rows.cut,
  done = rows.done, status = 'claimed', owner = :ours, settled_at = NULL,
  reason = NULL, waits_for = NULL,
  claimed_at = CASE
    WHEN claims.generation < rows.generation THEN :now ELSE claims.claimed_at
  END
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
"""

# What was damaged: if it was settled, it is forgotten a window from now. A claim of
# which is not known since when it stands keeps saying so, with the `unknown` instant.
_MEND = """
UPDATE claims
SET generation = rows.generation, sequence = rows.sequence,
  attempts = rows.attempts, cut = rows.cut, done = rows.done,
  status = rows.status, owner = rows.owner,
  reason = NULL, waits_for = NULL, action = NULL,
  settled_at = CASE
    WHEN rows.status IN ('done', 'buried', 'cancelled') THEN :now
  END,
  claimed_at = CASE WHEN rows.is_dated THEN claims.claimed_at ELSE :unknown END
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
"""

_WRITE_AHEAD = """
INSERT INTO claims
  (profile, id, generation, sequence, attempts, cut, done, status, claimed_at)
SELECT profile, id, 0, 0, 0, false, '[]', status, :now
FROM ({rows}) AS rows
WHERE true
ON CONFLICT (profile, id) DO NOTHING
RETURNING id
"""

# From here on it can be forgotten, as any other claim: its record has come.
_OBEY = """
UPDATE claims SET settled_at = :now
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
  AND claims.status = 'cancelled' AND claims.settled_at IS NULL
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
  settled_at = CASE WHEN rows.status IN ('done', 'buried') THEN :now END,
  reason = rows.reason, waits_for = rows.waits_for
FROM ({rows}) AS rows
WHERE claims.profile = rows.profile AND claims.id = rows.id
  AND claims.owner = :ours
  AND claims.generation = rows.claimed_generation
  AND claims.sequence = rows.claimed_sequence
RETURNING claims.profile, claims.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """`claim` returns the new and the unread triggers, `end` those held.

    `states` returns the known ones. It locks what it returns, so that no other worker
    judges it meanwhile, and leaves out what another has locked: it never waits.
    """

    claim: TextClause
    states: Select[tuple[object, ...]]
    take: TextClause
    obey: TextClause
    give_back: TextClause
    end: TextClause


def statements_for(database: Database) -> Statements:
    attempted = rows_in(database, ID | _SEQUENCE | _ATTEMPTS)
    before = ID | _CLAIMED_SEQUENCE | {"status": "VARCHAR"}
    ended = before | _SEQUENCE | _ATTEMPTS | _WAIT
    return Statements(
        claim=writing(_CLAIM, attempted),
        states=_states(rows_in(database, ID)),
        take=writing(_TAKE, attempted),
        obey=writing(_OBEY, rows_in(database, ID)),
        give_back=writing(_GIVE_BACK, rows_in(database, ID)),
        end=writing(_END, rows_in(database, ended)),
    )


def find() -> Select[tuple[object, ...]]:
    """Select the claim of the trigger `id` of `profile`."""
    at = and_(_c.profile == bindparam("profile"), _c.id == bindparam("id"))
    return _state(claims).where(at)


def mend(database: Database) -> TextClause:
    """Write damaged claims anew, as they are understood."""
    kept = ID | _SEQUENCE | _ATTEMPTS | _KEPT
    return writing(_MEND, rows_in(database, kept))


def write_ahead(database: Database) -> TextClause:
    """Claim triggers that no worker has read; return those that had no claim."""
    return writing(_WRITE_AHEAD, rows_in(database, ID | {"status": "VARCHAR"}))


def standing() -> Select[tuple[object, ...]]:
    """Select and lock the claims of the triggers `ids` of `profile`."""
    wanted = _c.id.in_(bindparam("ids", expanding=True))
    at = and_(_c.profile == bindparam("profile"), wanted)
    # In the order in which workers lock several: or two could wait for each other.
    ordered = _state(claims).where(at).order_by(_c.profile, _c.id)
    return ordered.with_for_update(of=claims)


def unsettled() -> Select[tuple[object, ...]]:
    """Select up to `most` claims of `profile` that are not settled, after `after`."""
    page = and_(_c.profile == bindparam("profile"), _c.id > bindparam("after"))
    wanted = select(claims).where(page, IS_UNSETTLED)
    return wanted.order_by(_c.id).limit(bindparam("most", type_=Integer))


def known() -> Select[tuple[str]]:
    """Select those of `ids` that are ids of claims in any profile."""
    wanted = _c.id.in_(bindparam("ids", expanding=True))
    # By profile, as the primary key is: an id alone is not in any index.
    return select(_c.id).join(profiles, profiles.c.id == _c.profile).where(wanted)


def forget() -> Delete:
    """Delete up to `most` claims that were settled before `before`."""
    old = select(_c.profile, _c.id).where(_c.settled_at < bindparam("before"))
    some = old.order_by(_c.settled_at).limit(bindparam("most"))
    # Rows that another worker is deleting at this moment are left to it.
    free = some.with_for_update(skip_locked=True)
    return delete(claims).where(tuple_(_c.profile, _c.id).in_(free))


def writing(sql: str, rows: str) -> TextClause:
    known = (
        bindparam("ours", type_=String),
        bindparam("now", type_=Instant),
        bindparam("unknown", EARLIEST, type_=Instant),
        bindparam("rows", type_=String),
    )
    used = [each for each in known if f":{each.key}" in sql + rows]
    return text(sql.format(rows=rows)).bindparams(*used)


def _states(rows: str) -> Select[tuple[object, ...]]:
    given = text(rows).bindparams(bindparam("rows", type_=String))
    wanted = given.columns(_c.profile, _c.id).subquery("wanted")
    at = and_(_c.profile == wanted.c.profile, _c.id == wanted.c.id)
    joined = _state(wanted.join(claims, at))
    return joined.with_for_update(of=claims, skip_locked=True)


def _state(at: FromClause) -> Select[tuple[object, ...]]:
    """Select claims, and whether their owner is `alive`; null, it signed off."""
    now = bindparam("now", type_=Instant)
    until = workers.c.alive_until
    alive = and_(until > now, until < NEVER).label("alive")
    owned = at.outerjoin(workers, workers.c.id == _c.owner)
    return select(claims, alive).select_from(owned)


def rows_in(database: Database, columns: Mapping[str, str]) -> str:
    """Return SQL that reads the JSON list `rows`; only here do the databases differ."""
    if database.is_shared:
        part, listed = "value ->> {}", "jsonb_array_elements(CAST(:rows AS jsonb))"
    else:
        part, listed = "json_extract(value, '$[{}]')", "json_each(:rows)"
    parts = [
        f"CAST({part.format(number)} AS {type_}) AS {name}"
        for number, (name, type_) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(parts)} FROM {listed}"  # noqa: S608 - constants of this module
