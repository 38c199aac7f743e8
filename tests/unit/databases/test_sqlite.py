"""SQLite: transactions that are durable and exclusive, refusals that say what to do."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from keyrelay.databases.sqlite import SqliteDatabase, connect
from keyrelay.databases.sqlite_connection import _switch_to_wal
from keyrelay.ports import Unavailable

CANARY = "canary-5b2f"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a file with ? and #.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = connect(path, patience=timedelta())
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE notes (note TEXT UNIQUE)"))
    yield database
    await database.close()


Write = Callable[[SqliteDatabase, str], Awaitable[None]]


async def by_statements(database: SqliteDatabase, note: str) -> None:
    async with database.writing() as connection:
        await connection.execute(
            text("INSERT INTO notes VALUES (:note)"), {"note": note}
        )


async def at_once(database: SqliteDatabase, note: str) -> None:
    await database.write(_inserting(note))


def _inserting(note: str) -> Callable[[sqlite3.Connection], None]:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (?)", (note,))

    return insert


@pytest.fixture(params=[by_statements, at_once])
def write(request: pytest.FixtureRequest) -> Write:
    way: Write = request.param
    return way


async def limit(database: SqliteDatabase, *, pages: int) -> None:
    """Let no connection make the file longer than that."""
    pragma = f"PRAGMA max_page_count = {pages}"
    async with database.reading() as connection:
        await connection.exec_driver_sql(pragma)
    await database.write(lambda connection: connection.execute(pragma))


async def notes(database: SqliteDatabase) -> list[str]:
    async with database.reading() as connection:
        return list(await connection.scalars(text("SELECT note FROM notes")))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)],
)
async def test_every_connection_is_set_for_power_cuts(
    database: SqliteDatabase, pragma: str, value: str | int
) -> None:
    async with database.reading(), database.reading() as another:
        assert await another.scalar(text(f"PRAGMA {pragma}")) == value
    (of_thread,) = await database.write(
        lambda connection: connection.execute(f"PRAGMA {pragma}").fetchone()
    )
    assert of_thread == value


async def test_what_is_written_is_there_after_leaving(
    database: SqliteDatabase, path: Path, write: Write
) -> None:
    await write(database, "kept")

    other = sqlite3.connect(path)
    assert other.execute("SELECT note FROM notes").fetchall() == [("kept",)]
    other.close()


async def test_a_transaction_that_fails_leaves_nothing(
    database: SqliteDatabase,
) -> None:
    async def fail_halfway() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('half')"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_halfway()

    assert await notes(database) == []


async def test_work_that_fails_leaves_nothing(database: SqliteDatabase) -> None:
    def fail_halfway(connection: sqlite3.Connection) -> None:
        _inserting("half")(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail_halfway)

    assert await notes(database) == []


async def test_work_that_has_begun_is_done_although_its_caller_goes(
    database: SqliteDatabase,
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        _inserting("kept")(connection)

    caller = asyncio.create_task(database.write(work))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    go_on.set()
    await at_once(database, "next")

    assert caller.cancelled()
    assert await notes(database) == ["kept", "next"]


async def test_closing_waits_for_work_that_has_begun(
    database: SqliteDatabase, path: Path
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        _inserting("kept")(connection)

    writing = asyncio.create_task(database.write(work))
    await begun.wait()
    closing_ = asyncio.create_task(database.close())
    go_on.set()
    await asyncio.gather(writing, closing_)

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT note FROM notes").fetchall() == [("kept",)]


async def test_a_writer_holds_off_writers_from_its_first_statement(
    database: SqliteDatabase, path: Path
) -> None:
    other = sqlite3.connect(path, timeout=0, isolation_level=None)

    async with database.writing():
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_writer_waits_its_turn(path: Path, write: Write) -> None:
    patient = connect(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE notes (note TEXT UNIQUE)")
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")

    waiting = asyncio.ensure_future(write(patient, "later"))
    await notes(patient)
    other.execute("COMMIT")
    await waiting

    assert await notes(patient) == ["later"]
    other.close()
    await patient.close()


async def test_reading_is_one_snapshot(database: SqliteDatabase, write: Write) -> None:
    async with database.reading() as connection:
        before = await connection.scalar(text("SELECT count(*) FROM notes"))
        await write(database, "in between")
        after = await connection.scalar(text("SELECT count(*) FROM notes"))

    assert (before, after) == (0, 0)


async def test_a_locked_database_is_unavailable_and_then_works_again(
    database: SqliteDatabase, path: Path, write: Write
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked; end the process that holds it"):
        await write(database, "refused")

    other.execute("ROLLBACK")
    await write(database, "taken")
    assert await notes(database) == ["taken"]
    other.close()


async def test_a_full_disk_is_unavailable_and_then_works_again(
    database: SqliteDatabase, write: Write
) -> None:
    await limit(database, pages=1)

    with pytest.raises(Unavailable, match="the disk is full; make room"):
        await write(database, CANARY * 1000)

    await limit(database, pages=1000)
    await write(database, "taken")
    assert await notes(database) == ["taken"]


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = connect(tmp_path / "nowhere" / "file.db")

    with pytest.raises(Unavailable, match=r"nowhere/file\.db: .* check its folder"):
        await notes(database)


@pytest.fixture
def text_file(path: Path) -> Path:
    path.write_bytes(b"something else entirely" * 1000)
    return path


async def test_a_file_that_is_no_database_is_unavailable(text_file: Path) -> None:
    database = connect(text_file)

    with pytest.raises(Unavailable, match="not a database; move it away"):
        await notes(database)

    await database.close()


async def test_a_constraint_and_a_mistake_of_ours_stay_what_they_are(
    database: SqliteDatabase, write: Write
) -> None:
    await write(database, "once")

    with pytest.raises((IntegrityError, sqlite3.IntegrityError)):
        await write(database, "once")
    with pytest.raises(OperationalError, match="no such table"):
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1 FROM nowhere"))


async def test_an_error_does_not_print_what_was_written(
    database: SqliteDatabase, write: Write
) -> None:
    await write(database, CANARY)

    with pytest.raises((IntegrityError, sqlite3.IntegrityError)) as refused:
        await write(database, CANARY)

    assert CANARY not in str(refused.value)
    assert CANARY not in repr(refused.value)


@pytest.fixture
def holder(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that holds a new file for itself, so that none may switch it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield holder


def test_a_new_file_is_switched_once_its_holder_lets_it_go(
    path: Path, holder: sqlite3.Connection
) -> None:
    class Next(sqlite3.Connection):
        """Is refused once; then the holder is gone."""

        def execute(self, *statement: str) -> sqlite3.Cursor:  # type: ignore[override]
            try:
                return super().execute(*statement)
            finally:
                holder.close()

    with closing(sqlite3.connect(path, timeout=0, factory=Next)) as connection:
        _switch_to_wal(connection, timedelta(seconds=10))

        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == "wal"


async def test_a_new_file_that_is_held_for_too_long_is_unavailable(
    path: Path, holder: sqlite3.Connection, write: Write
) -> None:
    database = connect(path, patience=timedelta(milliseconds=30))

    with pytest.raises(Unavailable, match="locked"):
        await write(database, "anything")

    assert holder.in_transaction
    await database.close()
