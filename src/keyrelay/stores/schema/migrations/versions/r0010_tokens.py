"""Tokens: what programs show to the API."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("profile", _label(24), sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("name", _label(100), nullable=False),
        sa.Column("folded", _label(300), nullable=False),
        sa.Column("kind", _label(20), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", _label(20), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger()),
        sa.Column("mac", sa.LargeBinary()),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(None, "tokens", ["profile", "folded"])
