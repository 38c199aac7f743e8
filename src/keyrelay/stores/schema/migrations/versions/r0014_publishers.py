"""Publishers: whose token published a trigger, which it may follow."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    publisher = sa.String(24).with_variant(by_bytes, "postgresql")
    op.add_column("claims", sa.Column("publisher", publisher))
