"""Runs: analyses that are to be run, each row its own place in the queue."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_INSTANT = sa.DateTime(timezone=True)


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.create_table("runs", *_asked_for(), *_become())
    for columns in (
        ["state", "run_on", "due_at"],
        ["profile", "analysis", "id"],
        ["ended_at"],
    ):
        op.create_index(f"ix_runs_{'_'.join(columns)}", "runs", columns)


def _asked_for() -> list[sa.Column[object]]:
    """Return the columns of what is to be run."""
    return [
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("profile", _label(24), sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("analysis", _label(24), nullable=False),
        sa.Column("run_on", _label(20), nullable=False),
        sa.Column("origin", _label(20), nullable=False),
        sa.Column("action", _label(24)),
        sa.Column("trigger", _label(64)),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text()),
        sa.Column("asked_at", _INSTANT, nullable=False),
        sa.Column("deadline", _INSTANT, nullable=False),
    ]


def _become() -> list[sa.Column[object]]:
    """Return the columns of what becomes of it."""
    return [
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("state", _label(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.Column("owner", _label(24)),
        sa.Column("held_until", _INSTANT),
        sa.Column("started_at", _INSTANT),
        sa.Column("ended_at", _INSTANT),
        sa.Column("sentence", sa.Text()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("duration", sa.Float()),
        sa.Column("peak_memory", sa.BigInteger()),
        sa.Column("last_lines", sa.Text()),
    ]
