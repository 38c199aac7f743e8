"""Plans: how a database answers the statements that a test has it carry out."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, event

from keyrelay.databases.database import Database

# A recursive query scans what it has found so far, which is no table.
_SCANS = tuple(
    f"SCAN {table}"
    for table in (
        "secrets",
        "actions",
        "policies",
        "tags",
        "last_times",
        "audit_records",
    )
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How each SELECT is carried out, in the database's own words."""

    seen: list[str] = field(default_factory=list)

    def note(
        self,
        connection: Connection,
        _: object,
        statement: str,
        params: Mapping[str, object],
        *__: object,
    ) -> None:
        if not statement.lstrip().startswith(("SELECT", "WITH")):
            return
        is_file = connection.dialect.name == "sqlite"
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if is_file else ''}{statement}", params)
        lines = [str(row[-1]) for row in cursor.fetchall()]
        cursor.close()
        self.seen.append("\n".join(lines))

    @property
    def text(self) -> str:
        return "\n".join(self.seen)

    @property
    def whole_tables(self) -> list[str]:
        """The steps that read a whole table, or a whole index."""
        return [
            line
            for line in self.text.splitlines()
            if "Seq Scan" in line or line.startswith(_SCANS)
        ]

    @property
    def sorts(self) -> list[str]:
        """The steps that sort what no index has in that order."""
        return [
            line
            for line in self.text.splitlines()
            if "Sort Key" in line or "TEMP B-TREE FOR ORDER BY" in line
        ]


@asynccontextmanager
async def planned(database: Database) -> AsyncIterator[Plan]:
    """Note the plan of every SELECT that is carried out."""
    plan = Plan()
    async with database.reading() as connection:
        engine = connection.engine.sync_engine
    event.listen(engine, "before_cursor_execute", plan.note)
    try:
        yield plan
    finally:
        event.remove(engine, "before_cursor_execute", plan.note)


@asynccontextmanager
async def counted(database: Database) -> AsyncIterator[list[str]]:
    """Note the text of every statement that is carried out."""
    seen = list[str]()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    async with database.reading() as connection:
        engine = connection.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
