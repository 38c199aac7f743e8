"""Claims: which worker attempts which trigger, on many machines."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.String(24)
_INSTANT = sa.DateTime(timezone=True)
_IS_SETTLED = sa.text("settled_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("profile", _ID, primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("life", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("hold", sa.String(20), nullable=False),
        sa.Column("owner", _ID),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.Column("claimed_at", _INSTANT, nullable=False),
        sa.Column("settled_at", _INSTANT),
        sqlite_with_rowid=False,
    )
    op.create_index(
        None,
        "claims",
        ["settled_at"],
        sqlite_where=_IS_SETTLED,
        postgresql_where=_IS_SETTLED,
    )
    op.create_table(
        "workers",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("alive_until", _INSTANT, nullable=False),
    )
