"""Attempt tables: what lists and charts read beside the audit records."""

from sqlalchemy import BigInteger, Column, Index, Table

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.tables import metadata

_ID = Label(24)

# What lists and charts read of attempts, written with their records (audit/projection).
# Without a rowid, SQLite keeps them in the order in which they are listed.
attempts = Table(
    "attempts",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("trigger", Label(64), nullable=False),
    Column("action", _ID, nullable=False),
    Column("secret", _ID),
    Column("outcome", Label(20), nullable=False),
    Column("reason_class", Label(20), nullable=False),
    *[
        Index(None, "profile", filtered, "at", "id")
        for filtered in ("trigger", "action", "secret", "outcome", "reason_class")
    ],
    sqlite_with_rowid=False,
)

# Attempts of each minute, counted by each chain of audit records for itself, so that
# no process waits for another.
attempt_counts = Table(
    "attempt_counts",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("action", _ID, primary_key=True),
    Column("outcome", Label(20), primary_key=True),
    Column("chain", _ID, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index(None, "profile", "action", "minute"),
    sqlite_with_rowid=False,
)

# When something last happened to a definition; beside it, as it is no change of it.
last_times = Table(
    "last_times",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("noun", Label(20), primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("at", Instant, nullable=False),
    Index(None, "profile", "noun", "at", "id"),
    sqlite_with_rowid=False,
)

ATTEMPT_TABLES = (attempts, attempt_counts, last_times)
