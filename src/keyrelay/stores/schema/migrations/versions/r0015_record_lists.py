"""Record lists: records of an action, and of changes, are read by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_IS_CHANGE = sa.text("kind = 'change'")


def upgrade() -> None:
    op.create_index(
        "ix_audit_records_profile_action_at",
        "audit_records",
        ["profile", "action", "at"],
    )
    op.create_index(
        "ix_audit_records_changes",
        "audit_records",
        ["profile", "at"],
        sqlite_where=_IS_CHANGE,
        postgresql_where=_IS_CHANGE,
    )
