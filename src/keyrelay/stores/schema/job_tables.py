"""Job tables: jobs, and what became of each row of theirs (model/job.py)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.tables import metadata

# `owner` is new each time that a process takes the job, which it holds until
# `held_until`; `taken` counts how often that was since the last row had a result.
# `chosen` is set once all rows are there.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Label(24), primary_key=True),
    Column("profile", Label(24), ForeignKey("profiles.id")),
    Column("kind", Label(20), nullable=False),
    Column("state", Label(20), nullable=False),
    Column("query", Text, nullable=False),
    Column("rate", Float),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("sound", Boolean),
    Column("message", Text, nullable=False),
    Column("chosen", Boolean, nullable=False),
    Column("owner", Label(24)),
    Column("held_until", Instant),
    Column("taken", Integer, nullable=False),
    Index(None, "profile", "id"),
    Index(None, "state"),
    Index(None, "ended_at"),
)

# A letter that was buried anew since it was chosen is another one: `buried_at` tells.
job_results = Table(
    "job_results",
    metadata,
    Column("job", Label(24), ForeignKey("jobs.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Label(64), nullable=False),
    Column("buried_at", Instant),
    Column("state", Label(20), nullable=False),
    Column("reason", Text),
    Index(None, "job", "state", "number"),
)
