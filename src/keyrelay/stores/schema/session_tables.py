"""Session tables: which sessions of the console are open, and since when."""

from sqlalchemy import Column, Index, Table

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.tables import metadata

_ID = Label(24)

# Whose session it is stands in its cookie, which is signed: a row only lets it count.
sessions = Table(
    "sessions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("token", _ID, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Index("sessions_token", "token"),
    Index("sessions_began_at", "began_at"),
    sqlite_with_rowid=False,
)
