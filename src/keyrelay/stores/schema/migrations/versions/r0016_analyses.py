"""Analyses: scripts that are given an environment, their versions and their tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_LISTED = (
    ("folded",),
    ("active", "folded"),
    ("run_on", "folded"),
    ("created_at",),
    ("updated_at",),
)


def _label(longest: int) -> sa.types.TypeEngine[str]:
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


def upgrade() -> None:
    _create_analyses()
    _create_scripts()
    _extend_tokens()


def _create_analyses() -> None:
    op.create_table(
        "analyses",
        sa.Column("id", _label(24), primary_key=True),
        sa.Column("profile", _label(24), sa.ForeignKey("profiles.id"), nullable=False),
        sa.Column("name", _label(100), nullable=False),
        sa.Column("folded", _label(300), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("run_on", _label(20), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger()),
        sa.Column("mac", sa.LargeBinary()),
    )
    for columns in _LISTED:
        of = ["profile", *columns, "id"]
        op.create_index(f"ix_analyses_{'_'.join(of)}", "analyses", of)


def _create_scripts() -> None:
    op.create_table(
        "scripts",
        sa.Column(
            "analysis",
            _label(24),
            sa.ForeignKey("analyses.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def _extend_tokens() -> None:
    op.add_column("tokens", sa.Column("analysis", _label(24)))
    op.add_column("tokens", sa.Column("run", _label(64)))
    op.add_column("tokens", sa.Column("envelope", sa.LargeBinary()))
    op.create_index("ix_tokens_analysis_run", "tokens", ["analysis", "run"])
