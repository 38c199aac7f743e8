"""Schedule tables: up to which due time each action and analysis was fired."""

from sqlalchemy import Column, Table, Text

from keyrelay.stores.schema.column_types import Instant, Label
from keyrelay.stores.schema.tables import metadata

_ID = Label(24)

# `times` are those that the definition says. Where they change, all is counted anew,
# from `since`; `last` is the last due time that was fired or passed over.
schedules = Table(
    "schedules",
    metadata,
    Column("profile", _ID, primary_key=True),
    Column("noun", Label(20), primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("times", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("last", Instant, nullable=False),
    sqlite_with_rowid=False,
)
