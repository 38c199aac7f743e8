"""Tables: the tables of the database, which migrations create."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.definition_tables import (
    actions,
    analyses,
    changes,
    console_lines,
    definition_entries,
    definition_heads,
    metadata,
    policies,
    profiles,
    scripts,
    secret_versions,
    secrets,
    tags,
    tokens,
)

# Those of definitions have a module of their own; all are imported from here.
__all__ = [
    "actions",
    "analyses",
    "changes",
    "console_lines",
    "definition_entries",
    "definition_heads",
    "metadata",
    "policies",
    "profiles",
    "scripts",
    "secret_versions",
    "secrets",
    "tags",
    "tokens",
]

_ID = Label(24)
_PRODUCERS_ID = Label(64)  # a trigger's id may be the producer's own

# One row. `revision` is that of the last change to a definition, and `history` is as in
# model/revision.py; `generation` and
# `versions_mac` authenticated the versions of secrets before there was an index of all
# definitions, and are read when it is made (definitions/vouching.py). Claims
# made before `upgraded_at` may bear other ids than are made up now
# (sources/kafka/records/made_up_ids.py); NULL, there are none.
installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("store", _ID, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("versions_mac", LargeBinary, nullable=False),
    Column("upgraded_at", Instant),
    Column("history", _ID),
)

wrapped_keys = Table(
    "wrapped_keys",
    metadata,
    Column("id", Label(64), primary_key=True),
    Column("purpose", Label(20), nullable=False),
    Column("provider_key", Label(500), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("after_seq", BigInteger, nullable=False),
    Column("after_mac", LargeBinary, nullable=False),
    Column("head_seq", BigInteger, nullable=False),
    Column("head_mac", LargeBinary, nullable=False),
)

# The document is the record; the columns beside it repeat it for queries.
audit_records = Table(
    "audit_records",
    metadata,
    Column("chain", _ID, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", _ID, nullable=False, unique=True),
    Column("kind", Label(20), nullable=False),
    Column("profile", _ID, nullable=False),
    Column("trigger", _PRODUCERS_ID),
    Column("action", _ID),
    Column("at", Instant, nullable=False),
    Column("document", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index(None, "profile", "at"),
    Index(None, "profile", "trigger"),
    Index(None, "profile", "action", "at"),
    # WHERE kind = 'change', and 'release': see the claims' indexes below.
    Index("ix_audit_records_changes", "profile", "at"),
    Index("ix_audit_records_releases", "profile", "at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("trigger", _PRODUCERS_ID, primary_key=True),
    Column("action", _ID, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fault", Label(20), nullable=False),
    Column("done", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("buried_at", Instant, nullable=False),
    Index(None, "profile", "buried_at"),
)

# The columns are explained in model/claim.py; only what is claimed has an owner. Only
# settled claims are deleted, so only they are in the index. Without a rowid, SQLite
# stores a claim in the index of its primary key.
claims = Table(
    "claims",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("id", _PRODUCERS_ID, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("owner", _ID),
    Column("attempts", Integer, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("done", Text, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("reason", Text),
    Column("waits_for", _ID),  # a secret
    Column("action", _ID),  # where one of our own faces accepted the trigger
    Column("publisher", _ID),  # the token that the API accepted it from
    # WHERE settled_at IS NOT NULL, as the migration has it. Not said here: SQLAlchemy
    # would load PostgreSQL's dialect to check the argument, in every command.
    Index(None, "settled_at"),
    Index("ix_claims_unsettled", "profile", "id"),  # WHERE it is, in the same way
    sqlite_with_rowid=False,
)

# The owners of claims; `host` is for people to read.
workers = Table(
    "workers",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("host", String(255), nullable=False),
    Column("alive_until", Instant, nullable=False),
)

# One row for a refused credential, with an empty `worker`, and one for each worker that
# cannot reach a secret's peer, until `kept_until`; `name` is for people to read.
# `prober` is the worker that makes the probe before `probe_at`.
pauses = Table(
    "pauses",
    metadata,
    Column("secret", _ID, primary_key=True),
    Column("worker", _ID, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("length", Integer, nullable=False),  # seconds
    Column("probe_at", Instant, nullable=False),
    Column("prober", _ID),
    Column("kept_until", Instant),
)
