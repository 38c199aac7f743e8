"""Definition tables: what administrators write, and what authenticates it."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from keyrelay.stores.schema.column_types import Instant, Label

_ID = Label(24)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _profile() -> Column[str]:
    return Column("profile", _ID, ForeignKey("profiles.id"), nullable=False)


def _made_and_edited() -> tuple[Column[datetime], Column[datetime]]:
    return (
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
    )


def _sealed() -> tuple[Column[int], Column[bytes]]:
    """Return what a definition is authenticated with (definitions/seals.py)."""
    return Column("generation", BigInteger), Column("mac", LargeBinary)


def _lists() -> tuple[Index, ...]:
    """Return what lists are read by, whatever they are sorted by (listing.py)."""
    return (
        Index(None, "profile", "folded", "id"),
        Index(None, "profile", "active", "folded", "id"),
        Index(None, "profile", "created_at", "id"),
        Index(None, "profile", "updated_at", "id"),
    )


profiles = Table(
    "profiles",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", Label(100), nullable=False, unique=True),
)

secrets = Table(
    "secrets",
    metadata,
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("key", Label(100), nullable=False),
    Column("folded", Label(300), nullable=False),
    Column("type", Label(20), nullable=False),
    Column("tags", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("value_length", Integer, nullable=False),
    Column("fifo", Boolean, nullable=False),
    *_made_and_edited(),
    Column("version", BigInteger),
    *_sealed(),
    UniqueConstraint("profile", "key"),
    Index(None, "profile", "folded", "id"),
)

# As `installation.versions_mac`.
secret_versions = Table(
    "secret_versions",
    metadata,
    Column("secret", _ID, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

# `folded` is the name as it is searched and sorted, `secret` the one referred to.
actions = Table(
    "actions",
    metadata,
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("name", Label(100), nullable=False),
    Column("folded", Label(300), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("secret", _ID),
    Column("document", Text, nullable=False),
    *_made_and_edited(),
    *_sealed(),
    *_lists(),
    Index(None, "secret", "folded", "id"),
)

policies = Table(
    "policies",
    metadata,
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("name", Label(100), nullable=False),
    Column("folded", Label(300), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    *_made_and_edited(),
    *_sealed(),
    *_lists(),
)

# `versions` lists the scripts that were uploaded and what each is known again by, as
# JSON; `version` is the one that runs (definitions/analyses.py).
analyses = Table(
    "analyses",
    metadata,
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("name", Label(100), nullable=False),
    Column("folded", Label(300), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("run_on", Label(20), nullable=False),
    Column("document", Text, nullable=False),
    Column("versions", Text, nullable=False, default="[]"),
    Column("version", Integer),
    *_made_and_edited(),
    *_sealed(),
    *_lists(),
    Index(None, "profile", "run_on", "folded", "id"),
)

scripts = Table(
    "scripts",
    metadata,
    Column(
        "analysis", _ID, ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

# What a script printed, which nothing vouches for; `size` is the text's in bytes.
console_lines = Table(
    "console_lines",
    metadata,
    Column(
        "analysis", _ID, ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("text", Text, nullable=False),
    Column("size", Integer, nullable=False),
)

# `document` holds what a token may do, `digest` stands for its plaintext
# (definitions/token_rows.py). Without `expires_at` it never expires. A token of an
# `analysis`, or of a `run` of it, has its plaintext sealed in `envelope`.
tokens = Table(
    "tokens",
    metadata,
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("name", Label(100), nullable=False),
    Column("folded", Label(300), nullable=False),
    Column("kind", Label(20), nullable=False),
    Column("document", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", Label(20), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Instant),
    *_made_and_edited(),
    *_sealed(),
    Column("analysis", _ID),
    Column("run", Label(64)),
    Column("envelope", LargeBinary),
    Index(None, "profile", "folded", "id"),
    Index(None, "profile", "created_at", "id"),
    Index(None, "analysis", "run"),
)

# definitions/seals.py says what the columns of both authenticate.
definition_entries = Table(
    "definition_entries",
    metadata,
    Column("noun", Label(20), primary_key=True),
    Column("id", _ID, primary_key=True),
    _profile(),
    Column("generation", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("denies", Boolean, nullable=False),
    Index(None, "profile"),
)

definition_heads = Table(
    "definition_heads",
    metadata,
    Column("profile", _ID, ForeignKey("profiles.id"), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("masked", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

# Only for searching: the tags that count are those in the documents.
tags = Table(
    "tags",
    metadata,
    Column("noun", Label(20), primary_key=True),
    Column("subject", _ID, primary_key=True),
    Column("key", Label(100), primary_key=True),
    Column("value", Label(100), nullable=False),
    Column("profile", _ID),
    Index(None, "profile", "noun", "key", "value", "subject"),
)

changes = Table(
    "changes",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("noun", Label(20), nullable=False),
    Column("profile", _ID, nullable=False),
    Column("subject", _ID, nullable=False),
)
