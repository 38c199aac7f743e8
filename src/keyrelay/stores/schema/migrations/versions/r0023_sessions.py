"""Sessions: which sessions of the console are open, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("token", _label(24), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("sessions_token", "sessions", ["token"])
    op.create_index("sessions_began_at", "sessions", ["began_at"])
