"""Histories: a revision of one database is not taken for one of another."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from keyrelay.model.ids import new_id

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    history = sa.Column("history", sa.String(24).with_variant(by_bytes, "postgresql"))
    op.add_column("installation", history)
    installation = sa.table("installation", sa.column("history"))
    op.execute(installation.update().values(history=new_id(datetime.now(UTC))))
