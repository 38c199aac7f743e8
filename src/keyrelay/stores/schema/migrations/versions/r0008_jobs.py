"""Jobs: long work is kept with what became of each of its rows, for all processes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    _create_jobs(sa.DateTime(timezone=True))
    _create_results(sa.DateTime(timezone=True))


def _create_jobs(instant: sa.DateTime) -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("profile", _label(24), sa.ForeignKey("profiles.id")),
        sa.Column("kind", _label(20), nullable=False),
        sa.Column("state", _label(20), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("rate", sa.Float()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("started_at", instant),
        sa.Column("ended_at", instant),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("sound", sa.Boolean()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("owner", _label(24)),
        sa.Column("held_until", instant),
        sa.Column("taken", sa.Integer(), nullable=False),
    )
    op.create_index("ix_jobs_profile_id", "jobs", ["profile", "id"])
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_jobs_ended_at", "jobs", ["ended_at"])


def _create_results(instant: sa.DateTime) -> None:
    op.create_table(
        "job_results",
        sa.Column("job", _label(24), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("subject", _label(64), nullable=False),
        sa.Column("buried_at", instant),
        sa.Column("state", _label(20), nullable=False),
        sa.Column("reason", sa.Text()),
    )
    op.create_index(
        "ix_job_results_job_state_number", "job_results", ["job", "state", "number"]
    )
