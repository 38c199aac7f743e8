"""Release records: what was released to runs is listed by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_IS_RELEASE = sa.text("kind = 'release'")


def upgrade() -> None:
    op.create_index(
        "ix_audit_records_releases",
        "audit_records",
        ["profile", "at"],
        sqlite_where=_IS_RELEASE,
        postgresql_where=_IS_RELEASE,
    )
