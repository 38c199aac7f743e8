"""Claim words: the columns of claims get the names that the program uses."""

from alembic import op

revision = "0003"
down_revision = "0002"

_CALLED = {"life": "generation", "turn": "sequence", "hold": "status"}


def upgrade() -> None:
    # SQLite and PostgreSQL rename in place: no row is copied, no lock is held long.
    for before, now in _CALLED.items():
        op.alter_column("claims", before, new_column_name=now)
