"""Run tables: runs of analyses (model/run.py), which are their own queue."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.tables import metadata

# `owner` is new each time that a process takes the run, which it holds until
# `held_until`; `attempts` counts those that have ended, and `cut` tells that one of
# them was not concluded. `variables`, `scope` and `last_lines` are JSON, `duration` is
# in seconds and `peak_memory` in bytes.
runs = Table(
    "runs",
    metadata,
    Column("id", Label(24), primary_key=True),
    Column("profile", Label(24), ForeignKey("profiles.id"), nullable=False),
    Column("analysis", Label(24), nullable=False),
    Column("run_on", Label(20), nullable=False),
    Column("origin", Label(20), nullable=False),
    Column("action", Label(24)),
    Column("trigger", Label(64)),
    Column("variables", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("revision", Text),  # of the definitions, when it was asked for
    Column("asked_at", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("state", Label(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("owner", Label(24)),
    Column("held_until", Instant),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("sentence", Text),
    Column("exit_code", Integer),
    Column("duration", Float),
    Column("peak_memory", BigInteger),
    Column("last_lines", Text),
    Column("confirmed_at", Instant),  # by the script itself, which ran elsewhere
    Column("confirmed_ok", Boolean),
    Column("confirmed_message", Text),
    Index(None, "state", "run_on", "due_at"),
    Index(None, "profile", "analysis", "id"),
    Index(None, "ended_at"),
)

# Processes that host scripts; `languages` are those, with spaces between them.
run_hosts = Table(
    "run_hosts",
    metadata,
    Column("id", Label(24), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("languages", String(255), nullable=False),
    Column("alive_until", Instant, nullable=False),
)
