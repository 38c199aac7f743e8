"""Made-up ids: when an installation that made ids up from places was upgraded."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_UPGRADED_AT = sa.Column("upgraded_at", sa.DateTime(timezone=True))


def upgrade() -> None:
    op.add_column("installation", _UPGRADED_AT)
    # None where there is no installation yet: it has no claims.
    installation = sa.table("installation", sa.column("upgraded_at", _UPGRADED_AT.type))
    op.execute(installation.update().values(upgraded_at=datetime.now(UTC)))
