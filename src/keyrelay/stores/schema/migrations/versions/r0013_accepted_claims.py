"""Accepted claims: what waits unread in Kafka is listed, and counted without a scan."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_IS_UNSETTLED = sa.text("status NOT IN ('done', 'buried', 'cancelled')")


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    action = sa.String(24).with_variant(by_bytes, "postgresql")
    op.add_column("claims", sa.Column("action", action))
    op.create_index(
        "ix_claims_unsettled",
        "claims",
        ["profile", "id"],
        sqlite_where=_IS_UNSETTLED,
        postgresql_where=_IS_UNSETTLED,
    )
