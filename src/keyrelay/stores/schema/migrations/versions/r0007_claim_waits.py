"""Claim waits: why a trigger waits, and for which secret, is seen beside its claim."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    secret = sa.String(24).with_variant(by_bytes, "postgresql")
    op.add_column("claims", sa.Column("reason", sa.Text()))
    op.add_column("claims", sa.Column("waits_for", secret))
