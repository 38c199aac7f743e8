"""Definition index: each definition gets a seal, and each profile an index of them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    op.add_column("secrets", sa.Column("version", sa.BigInteger()))
    op.execute(
        "UPDATE secrets SET version = (SELECT version FROM secret_versions"
        " WHERE secret_versions.secret = secrets.id)"
    )
    for table in ("secrets", "actions", "policies"):
        op.add_column(table, sa.Column("generation", sa.BigInteger()))
        op.add_column(table, sa.Column("mac", sa.LargeBinary()))
    op.create_table(
        "definition_entries",
        sa.Column("noun", _label(20), primary_key=True),
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("profile", _label(24), sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("denies", sa.Boolean(), nullable=False),
    )
    op.create_index(None, "definition_entries", ["profile"])
    op.create_table(
        "definition_heads",
        sa.Column(
            "profile", _label(24), sa.ForeignKey("profiles.id"), primary_key=True
        ),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("masked", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
    )
