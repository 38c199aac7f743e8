"""Run hosts: which processes host scripts."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    id_ = sa.String(24).with_variant(by_bytes, "postgresql")
    op.create_table(
        "run_hosts",
        sa.Column("id", id_, primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("languages", sa.String(255), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
    )
