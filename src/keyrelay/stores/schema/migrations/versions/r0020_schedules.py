"""Schedules: up to which due time each action and analysis was fired."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("profile", _label(24), primary_key=True),
        sa.Column("noun", _label(20), primary_key=True),
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
