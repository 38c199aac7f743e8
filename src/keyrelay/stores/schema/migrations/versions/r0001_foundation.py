"""Foundation: definitions, audit records and dead letters of one machine."""

from typing import TypeVar

import sqlalchemy as sa
from alembic import op

T = TypeVar("T")

revision = "0001"
down_revision = None


def _label(longest: int) -> sa.types.TypeEngine[str]:
    # Searched and sorted by bytes, as SQLite does of itself.
    by_bytes = sa.String(longest, collation="C")
    return sa.String(longest).with_variant(by_bytes, "postgresql")


_ID = _label(24)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_installation()
    _create_secrets()
    _create_actions_and_policies()
    _create_tags_and_changes()
    _create_audit()
    _create_dead_letters()


def _required(name: str, type_: sa.types.TypeEngine[T]) -> sa.Column[T]:
    return sa.Column(name, type_, nullable=False)


def _create_installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        _required("store", _ID),
        _required("revision", sa.BigInteger()),
        _required("generation", sa.BigInteger()),
        _required("versions_mac", sa.LargeBinary()),
    )
    op.create_table(
        "profiles",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", _label(100), nullable=False, unique=True),
    )
    op.create_table(
        "wrapped_keys",
        sa.Column("id", _label(64), primary_key=True),
        _required("purpose", _label(20)),
        _required("provider_key", _label(500)),
        _required("wrapped", sa.LargeBinary()),
        _required("created_at", _INSTANT),
    )


def _create_secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("profile", _ID, sa.ForeignKey("profiles.id"), nullable=False),
        _required("key", _label(100)),
        _required("folded", _label(300)),
        _required("type", _label(20)),
        _required("tags", sa.Text()),
        _required("envelope", sa.LargeBinary()),
        _required("value_length", sa.Integer()),
        _required("fifo", sa.Boolean()),
        _required("created_at", _INSTANT),
        _required("updated_at", _INSTANT),
        sa.UniqueConstraint("profile", "key"),
    )
    op.create_table(
        "secret_versions",
        sa.Column("secret", _ID, primary_key=True),
        _required("version", sa.BigInteger()),
    )


def _create_actions_and_policies() -> None:
    for table, referring in (("actions", [sa.Column("secret", _ID)]), ("policies", [])):
        op.create_table(
            table,
            sa.Column("id", _ID, primary_key=True),
            sa.Column("profile", _ID, sa.ForeignKey("profiles.id"), nullable=False),
            _required("name", _label(100)),
            _required("folded", _label(300)),
            _required("active", sa.Boolean()),
            *referring,
            _required("document", sa.Text()),
            _required("created_at", _INSTANT),
            _required("updated_at", _INSTANT),
        )
        op.create_index(None, table, ["profile", "folded"])
    op.create_index(None, "actions", ["secret"])


def _create_tags_and_changes() -> None:
    op.create_table(
        "tags",
        sa.Column("noun", _label(20), primary_key=True),
        sa.Column("subject", _ID, primary_key=True),
        sa.Column("key", _label(100), primary_key=True),
        _required("value", _label(100)),
    )
    op.create_index(None, "tags", ["noun", "key", "value"])
    op.create_table(
        "changes",
        sa.Column("revision", sa.BigInteger(), primary_key=True, autoincrement=False),
        _required("noun", _label(20)),
        _required("profile", _ID),
        _required("subject", _ID),
    )


def _create_audit() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False, unique=True),
        _required("after_seq", sa.BigInteger()),
        _required("after_mac", sa.LargeBinary()),
        _required("head_seq", sa.BigInteger()),
        _required("head_mac", sa.LargeBinary()),
    )
    op.create_table(
        "audit_records",
        sa.Column("chain", _ID, primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("id", _ID, nullable=False, unique=True),
        _required("kind", _label(20)),
        _required("profile", _ID),
        sa.Column("trigger", _label(64)),
        sa.Column("action", _ID),
        _required("at", _INSTANT),
        _required("document", sa.Text()),
        _required("mac", sa.LargeBinary()),
    )
    op.create_index(None, "audit_records", ["profile", "at"])
    op.create_index(None, "audit_records", ["profile", "trigger"])


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("profile", _ID, primary_key=True),
        sa.Column("trigger", _label(64), primary_key=True),
        _required("action", _ID),
        _required("document", sa.LargeBinary()),
        _required("reason", sa.Text()),
        _required("fault", _label(20)),
        _required("done", sa.Text()),
        _required("attempts", sa.Integer()),
        _required("buried_at", _INSTANT),
    )
    op.create_index(None, "dead_letters", ["profile", "buried_at"])
