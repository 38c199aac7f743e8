"""Schema: the queue's one table, and the check of its version.

`due` is when a trigger may be leased, and the only condition for it. A lease moves
`due` to the end of the lease and writes its `token`, so that one query finds new,
retried and expired triggers. `due` is empty while an earlier trigger of the same key
is unsettled, while a person holds the trigger, and once it is settled. A row that has
a token when it is leased had a lease that ended unsettled.

Instants are microseconds since 1970, which compare and index as integers.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from keyrelay.databases.sqlite import SqliteDatabase

VERSION = 4

_metadata = MetaData()

triggers = Table(
    "triggers",
    _metadata,
    Column("sequence", Integer, primary_key=True),  # the order of acceptance
    Column("profile", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("key", Text),
    Column("body", LargeBinary),  # dropped once settled
    Column("due", Integer),
    Column("token", Text),
    Column("attempts", Integer, nullable=False),
    Column("cut", Boolean, nullable=False),  # whether any lease ended unsettled
    Column("done", Text, nullable=False),  # a JSON list of parts
    Column("waits_for", Text),  # the id of a secret
    Column("accepted_at", Integer, nullable=False),
    Column("settled_at", Integer),
    Column("settlement", Text),
    Column("action", Text),  # as in the body, for lists
    Column("reason", Text),  # of the wait
    Column("held", Text),  # rows.Held
    Column("revision", Text),  # of the definitions, at acceptance
    Column("publisher", Text),  # the id of the token that the API accepted it from
    UniqueConstraint("profile", "id"),
)

# Partial indexes: each holds only the rows that are searched for, so that the cost of
# a lease depends neither on settled triggers nor on those that are not due.
Index("triggers_due", triggers.c.due, sqlite_where=triggers.c.due.is_not(None))
Index(
    "triggers_leased",
    triggers.c.token,
    unique=True,
    sqlite_where=triggers.c.token.is_not(None),
)
Index(
    "triggers_in_line",
    triggers.c.profile,
    triggers.c.key,
    sqlite_where=triggers.c.key.is_not(None) & triggers.c.settled_at.is_(None),
)
Index(
    "triggers_of_profile",
    triggers.c.profile,
    triggers.c.sequence,
    sqlite_where=triggers.c.settled_at.is_(None),
)
Index(
    "triggers_waiting_for",
    triggers.c.waits_for,
    sqlite_where=triggers.c.waits_for.is_not(None),
)
Index(
    "triggers_settled",
    triggers.c.settled_at,
    sqlite_where=triggers.c.settled_at.is_not(None),
)


# What version 2 has beside version 1. What holds no JSON has no action.
_TO_VERSION_2 = (
    "ALTER TABLE triggers ADD COLUMN action TEXT",
    "ALTER TABLE triggers ADD COLUMN reason TEXT",
    "ALTER TABLE triggers ADD COLUMN held TEXT",
    "UPDATE triggers SET action = json_extract(CAST(body AS TEXT), '$.action')"
    " WHERE settled_at IS NULL AND json_valid(CAST(body AS TEXT))",
    "DROP INDEX triggers_blocked",
    "CREATE INDEX triggers_unsettled ON triggers (sequence) WHERE settled_at IS NULL",
)
# What version 3 has beside version 2.
_TO_VERSION_3 = (
    "ALTER TABLE triggers ADD COLUMN revision TEXT",
    "DROP INDEX triggers_unsettled",
    "CREATE INDEX triggers_of_profile ON triggers (profile, sequence)"
    " WHERE settled_at IS NULL",
)
# What version 4 has beside version 3.
_TO_VERSION_4 = ("ALTER TABLE triggers ADD COLUMN publisher TEXT",)
_STEPS = {
    1: _TO_VERSION_2 + _TO_VERSION_3 + _TO_VERSION_4,
    2: _TO_VERSION_3 + _TO_VERSION_4,
    3: _TO_VERSION_4,
}


class UnknownSchema(Exception):
    """The queue's file was written by a newer Keyrelay and can be read only by it."""


async def prepare(database: SqliteDatabase) -> None:
    """Create the table in a new file, or bring an older one up to date.

    Raises UnknownSchema and Unavailable.
    """
    async with database.writing() as connection:
        found = (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()
        if found > VERSION:
            file = database.engine.url.database
            raise UnknownSchema(
                f"{file} has version {found} of the queue and this"
                f" Keyrelay knows {VERSION}; use the newer one that wrote it"
            )
        if found == 0:
            await connection.run_sync(_metadata.create_all)
        for statement in _STEPS.get(found, ()):
            await connection.exec_driver_sql(statement)
        if found < VERSION:
            await connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
