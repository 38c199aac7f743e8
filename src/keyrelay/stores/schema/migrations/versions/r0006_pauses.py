"""Pauses: which secrets are paused is seen by all workers and commands."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("secret", _label(24), primary_key=True),
        sa.Column("worker", _label(24), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prober", _label(24)),
        sa.Column("kept_until", sa.DateTime(timezone=True)),
    )
