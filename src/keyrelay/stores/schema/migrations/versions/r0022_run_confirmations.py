"""Run confirmations: what scripts that run elsewhere say of their own ends."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("runs", sa.Column("confirmed_at", sa.DateTime(timezone=True)))
    op.add_column("runs", sa.Column("confirmed_ok", sa.Boolean()))
    op.add_column("runs", sa.Column("confirmed_message", sa.Text()))
