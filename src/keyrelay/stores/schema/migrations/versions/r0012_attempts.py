"""Attempts: lists and counts of them, beside their records, and last times."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_COUNTED_HERE = "0" * 24  # in place of a chain: all attempts on record together

# Of records that have no class yet, told by what they have. The text of a document in
# which these stand unescaped cannot be a value: quotes in values are escaped.
_CLASSES = (
    ('"outcome":"delivered"', "delivered"),
    ('"outcome":"locked"', "locked"),
    ('"reason":"internal error: ', "internal"),
    ('"reason":"its attempts were cut short, ', "cut-short"),
    ('"outcome":"uncertain"', "uncertain"),
    ('"blame":"credential"', "authentication"),
    ('"blame":"rate"', "throttled"),
    ('"blame":"peer"', "unreachable"),
    ('"spent":false', "held"),
    ('"outcome":"deferred"', "refused"),
    ('"reason":"no policy lets ', "denied"),
    (" forbids that ", "denied"),
    ('"reason":"there is no action ', "no-definition"),
    ('"reason":"there is no secret ', "no-definition"),
    (' is inactive"', "no-definition"),
    ('"reason":"its deadline passed ', "expired"),
    (" does not open: ", "unsealable"),
    ('"reason":"the server answered ', "refused"),
    ('"fault":"definition"', "bad-definition"),
    ('"fault":"trigger"', "bad-trigger"),
)
_OUTCOMES = tuple(
    (f'"outcome":"{each}"', each)
    for each in ("delivered", "deferred", "uncertain", "locked")
)

_ID_ON_A_SERVER = 'substring(document from \'"secret"\\:"([0-9a-f]{24})"\')'
_FOUND = 'instr(document, \'"secret"\\:"\')'
_ID_IN_A_FILE = f"CASE WHEN {_FOUND} THEN substr(document, {_FOUND} + 10, 24) END"
_MINUTE_ON_A_SERVER = "date_trunc('minute', at)"
_MINUTE_IN_A_FILE = "substr(at, 1, 16) || '\\:00.000000'"


_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_attempts()
    _create_times()
    _project()
    # Made last: to sort once is cheaper than to keep sorted.
    for column in ("trigger", "action", "secret", "outcome", "reason_class"):
        op.create_index(None, "attempts", ["profile", column, "at", "id"])
    op.create_index(None, "attempt_counts", ["profile", "action", "minute"])
    op.create_index(None, "last_times", ["profile", "noun", "at", "id"])


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("profile", _label(24), primary_key=True),
        sa.Column("at", _INSTANT, primary_key=True),
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("trigger", _label(64), nullable=False),
        sa.Column("action", _label(24), nullable=False),
        sa.Column("secret", _label(24)),
        sa.Column("outcome", _label(20), nullable=False),
        sa.Column("reason_class", _label(20), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempt_counts",
        sa.Column("profile", _label(24), primary_key=True),
        sa.Column("minute", _INSTANT, primary_key=True),
        sa.Column("action", _label(24), primary_key=True),
        sa.Column("outcome", _label(20), primary_key=True),
        sa.Column("chain", _label(24), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def _create_times() -> None:
    op.create_table(
        "last_times",
        sa.Column("profile", _label(24), primary_key=True),
        sa.Column("noun", _label(20), primary_key=True),
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("at", _INSTANT, nullable=False),
        sqlite_with_rowid=False,
    )


def _project() -> None:
    """List and count the attempts on record; what is no attempt's record is left out.

    In the database, in seconds for a million records and without reading them here.
    """
    is_server = op.get_bind().dialect.name == "postgresql"
    secret = _ID_ON_A_SERVER if is_server else _ID_IN_A_FILE
    op.execute(
        "INSERT INTO attempts"  # noqa: S608 - of constants
        " (profile, at, id, trigger, action, secret, outcome, reason_class)"
        f" SELECT profile, at, id, trigger, action, {secret},"
        f" {_first(_OUTCOMES, 'rejected')}, {_first(_CLASSES, 'internal')}"
        " FROM audit_records WHERE kind = 'attempt'"
        " AND trigger IS NOT NULL AND action IS NOT NULL"
    )
    minute = _MINUTE_ON_A_SERVER if is_server else _MINUTE_IN_A_FILE
    op.execute(
        "INSERT INTO attempt_counts"  # noqa: S608 - of constants
        " (profile, minute, action, outcome, chain, count)"
        f" SELECT profile, {minute}, action, outcome, '{_COUNTED_HERE}', count(*)"
        f" FROM attempts GROUP BY profile, {minute}, action, outcome"
    )
    op.execute(
        "INSERT INTO last_times (profile, noun, id, at)"
        " SELECT attempts.profile, 'action', attempts.action, max(attempts.at)"
        " FROM attempts JOIN actions"
        " ON actions.id = attempts.action AND actions.profile = attempts.profile"
        " GROUP BY attempts.profile, attempts.action"
    )


def _first(cases: Sequence[tuple[str, str]], other: str) -> str:
    """Return SQL for the value of the first text that stands in a document."""
    when = " ".join(
        f"WHEN document LIKE '%{text}%' THEN '{value}'".replace(":", "\\:")
        for text, value in cases
    )
    return f"CASE {when} ELSE '{other}' END"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")
