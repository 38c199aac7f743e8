"""Listing: lists of definitions, filtered and sorted, are read by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_INDEXES = (
    ("secrets", ("profile", "folded", "id")),
    ("actions", ("profile", "folded", "id")),
    ("actions", ("profile", "active", "folded", "id")),
    ("actions", ("profile", "created_at", "id")),
    ("actions", ("profile", "updated_at", "id")),
    ("actions", ("secret", "folded", "id")),
    ("policies", ("profile", "folded", "id")),
    ("policies", ("profile", "active", "folded", "id")),
    ("policies", ("profile", "created_at", "id")),
    ("policies", ("profile", "updated_at", "id")),
    ("tokens", ("profile", "folded", "id")),
    ("tokens", ("profile", "created_at", "id")),
    ("tags", ("profile", "noun", "key", "value", "subject")),
)
# What these take the place of.
_BEFORE = (
    ("actions", "ix_actions_profile_folded"),
    ("actions", "ix_actions_secret"),
    ("policies", "ix_policies_profile_folded"),
    ("tokens", "ix_tokens_profile_folded"),
    ("tags", "ix_tags_noun_key_value"),
)


def upgrade() -> None:
    by_bytes = sa.String(24, collation="C")
    profile = sa.String(24).with_variant(by_bytes, "postgresql")
    op.add_column("tags", sa.Column("profile", profile))
    for noun, table in (
        ("secret", "secrets"),
        ("action", "actions"),
        ("policy", "policies"),
    ):
        op.execute(
            f"UPDATE tags SET profile = (SELECT profile FROM {table}"  # noqa: S608
            f" WHERE {table}.id = tags.subject) WHERE noun = '{noun}'"
        )
    for table, name in _BEFORE:
        op.drop_index(name, table, if_exists=True)
    for table, columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, [*columns])
