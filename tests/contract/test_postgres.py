"""PostgreSQL: durable and exclusive as promised, and what it refuses is said."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Locked
from keyrelay.databases.postgresql import PostgresqlDatabase, connect
from keyrelay.ports import Unavailable
from tests.contract.silence import way_to
from tests.services import loopback
from tests.services.postgresql import PostgreSql

CANARY = "canary-5b2f"


@pytest.fixture
def name(postgresql: PostgreSql) -> str:
    """A database whose own defaults are not those that we need."""
    name = postgresql.create()
    postgresql.tell("CREATE TABLE notes (note text UNIQUE)", name)
    postgresql.tell(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return name


@pytest.fixture
async def database(
    postgresql: PostgreSql, name: str
) -> AsyncIterator[PostgresqlDatabase]:
    database = connect(postgresql.url(name))
    yield database
    await database.close()


@pytest.fixture
async def other(postgresql: PostgreSql, name: str) -> AsyncIterator[PostgresqlDatabase]:
    """What another process has."""
    database = connect(postgresql.url(name))
    yield database
    await database.close()


async def write(database: PostgresqlDatabase, note: str) -> None:
    async with database.writing() as connection:
        await connection.execute(
            text("INSERT INTO notes VALUES (:note)"), {"note": note}
        )


async def append(database: PostgresqlDatabase, note: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO notes VALUES (:note)"), {"note": note}
        )


async def notes(database: PostgresqlDatabase) -> list[str]:
    async with database.reading() as connection:
        return list(await connection.scalars(text("SELECT note FROM notes")))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous_commit", "on"),
        ("application_name", "keyrelay"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ],
)
async def test_every_connection_is_set_up_whatever_the_servers_defaults(
    database: PostgresqlDatabase, setting: str, value: str
) -> None:
    async with database.transaction(), database.transaction() as another:
        assert await another.scalar(text(f"SHOW {setting}")) == value


async def test_what_is_written_is_there_after_a_crash_of_the_server(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    await write(database, "written")
    await append(database, "appended")
    await asyncio.to_thread(postgresql.restart)

    assert await notes(database) == ["written", "appended"]


async def test_a_transaction_that_fails_leaves_nothing(
    database: PostgresqlDatabase,
) -> None:
    async def fail_halfway() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('half')"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_halfway()

    assert await notes(database) == []


async def test_a_writer_waits_its_turn_and_then_sees_what_was_written(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    async def write_after_the_first() -> list[str]:
        async with other.writing() as connection:
            return list(await connection.scalars(text("SELECT note FROM notes")))

    async with database.writing() as connection:
        waiting = asyncio.create_task(write_after_the_first())
        await until_waiting(database)
        await connection.execute(text("INSERT INTO notes VALUES ('first')"))

    assert await waiting == ["first"]


async def until_waiting(database: PostgresqlDatabase) -> None:
    """Return once a transaction waits for a lock."""
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with database.engine.connect() as connection:
        while not await connection.scalar(waits):
            await connection.rollback()


async def test_a_writer_delays_no_other_transaction(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    async with database.writing(), database.transaction():
        await append(other, "appended")
        assert await notes(other) == ["appended"]


async def test_reading_is_one_snapshot(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    async with database.reading() as connection:
        before = await connection.scalar(text("SELECT count(*) FROM notes"))
        await write(other, "in between")
        after = await connection.scalar(text("SELECT count(*) FROM notes"))

    assert (before, after) == (0, 0)


async def test_a_connection_that_read_can_be_written_with_later(
    database: PostgresqlDatabase,
) -> None:
    await notes(database)
    await write(database, "written")

    assert await notes(database) == ["written"]


async def test_a_writer_that_is_cancelled_lets_go_at_once(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    held = asyncio.Event()

    async def hold_on() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('never')"))
            held.set()
            await connection.execute(text("SELECT pg_sleep(600)"))

    holding = asyncio.create_task(hold_on())
    await held.wait()
    waiting = asyncio.create_task(write(other, "after"))
    await until_waiting(other)
    holding.cancel()
    await waiting

    assert await notes(other) == ["after"]
    with pytest.raises(asyncio.CancelledError):
        await holding
    await write(database, "later")


async def raised(database: PostgresqlDatabase, state: str) -> None:
    """Have the server fail with this SQLSTATE."""
    async with database.transaction() as connection:
        await connection.execute(text(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("08006", "check that it runs and can be reached"),
        ("08P01", "name the server itself"),
        ("25006", "name the primary"),
        ("28000", "check user and password"),
        ("3D000", "create it"),
        ("40001", "another process was in the way; try again"),
        ("40P01", "another process was in the way; try again"),
        ("42501", "grant them"),
        ("53000", "give it more"),
        ("53100", "the server's disk is full; make room"),
        ("53200", "give it more"),
        ("53300", "give it more"),
        ("55P03", "locked; end the process that holds it"),
        ("57014", "broke a statement off; try again"),
        ("57P01", "wait for it"),
        ("57P03", "wait for it"),
        ("58030", "the server's disk does not answer; check it"),
        ("XX001", "restore it from a backup"),
    ],
)
async def test_what_the_world_refuses_is_unavailable_and_says_what_to_do(
    postgresql: PostgreSql, state: str, remedy: str
) -> None:
    database = connect(postgresql.url("postgres"))

    with pytest.raises(Unavailable, match=remedy):
        await raised(database, state)

    await database.close()


async def test_a_constraint_and_a_mistake_of_ours_stay_what_they_are(
    database: PostgresqlDatabase,
) -> None:
    await write(database, "once")

    with pytest.raises(IntegrityError):
        await write(database, "once")
    with pytest.raises(ProgrammingError, match="does not exist"):
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1 FROM nowhere"))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("{user}:{canary}@127.0.0.1:1/{name}", "can be reached"),
        ("{user}:{canary}@127.0.0.1:{port}/nowhere", "no such database; create it"),
        ("nobody:{canary}@127.0.0.1:{port}/{name}", "check user and password"),
        ("{user}:{canary}@127.0.0.1:{port}/{name}?sslmode=odd", "check its options"),
        ("{user}:{canary}@127.0.0.1:{port}/{name}?sslmode=require", "be reached"),
    ],
)
async def test_a_url_that_leads_nowhere_is_refused_without_its_password(
    postgresql: PostgreSql, name: str, url: str, remedy: str
) -> None:
    told = url.format(user="postgres", canary=CANARY, port=postgresql.port, name=name)
    database = connect(f"postgresql://{told}")

    with pytest.raises(Unavailable, match=remedy) as refusal:
        await notes(database)

    assert CANARY not in "".join(traceback.format_exception(refusal.value))
    assert CANARY not in repr(database)
    await database.close()


class Pretender(asyncio.Protocol):
    """Says that it speaks TLS, and then does not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"S" if len(data) == 8 else b"no handshake at all")


async def test_a_server_that_only_pretends_to_speak_tls_is_not_trusted() -> None:
    loop, port = asyncio.get_running_loop(), loopback.free_port()
    database = connect(f"postgresql://u@127.0.0.1:{port}/d?sslmode=require")

    async with await loop.create_server(Pretender, loopback.HOST, port):
        with pytest.raises(Unavailable, match="check sslmode"):
            await notes(database)


async def test_a_server_that_was_restarted_is_met_by_fresh_connections(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    async with database.reading(), database.reading():
        pass

    await asyncio.to_thread(postgresql.restart)

    await write(database, "taken")
    assert await notes(database) == ["taken"]


async def process_of(connection: AsyncConnection) -> object:
    return await connection.scalar(text("SELECT pg_backend_pid()"))


async def test_when_one_connection_has_turned_read_only_all_are_replaced(
    database: PostgresqlDatabase,
) -> None:
    """As after a failover that leaves them open, to what is no primary any more."""
    async with database.transaction() as one, database.transaction() as two:
        old = {await process_of(one), await process_of(two)}
        for each in (one, two):
            await each.execute(
                text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            )

    with pytest.raises(Unavailable, match="takes no writes"):
        await write(database, "lost")
    await write(database, "kept")

    async with database.reading() as one, database.reading() as two:
        assert old.isdisjoint({await process_of(one), await process_of(two)})
    assert await notes(database) == ["kept"]


@pytest.mark.parametrize("state", ["25006", "57P01", "57P03", "57P05"])
async def test_a_listener_does_not_stay_with_a_server_that_serves_no_more(
    database: PostgresqlDatabase, state: str
) -> None:
    async with database.listening(asyncio.Event()) as lost:
        with pytest.raises(Unavailable):
            await raised(database, state)

        assert lost.is_set()


async def test_without_its_server_it_is_unavailable_and_then_works_again(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    await write(database, "before")
    await asyncio.to_thread(postgresql.stop)

    for attempt in (
        write(database, "refused"),
        append(database, "refused"),
        notes(database),
    ):
        with pytest.raises(Unavailable, match="can be reached"):
            await attempt

    await asyncio.to_thread(postgresql.start)
    await write(database, "after")
    assert await notes(database) == ["before", "after"]


async def test_a_connection_that_is_lost_halfway_is_unavailable(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    async def go_on_after_a_restart() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('half')"))
            await asyncio.to_thread(postgresql.restart)
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        await go_on_after_a_restart()

    assert await notes(database) == []


async def test_a_connection_that_is_lost_at_its_commit_is_unavailable(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    async def commit_after_a_restart() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('half')"))
            await asyncio.to_thread(postgresql.restart)

    with pytest.raises(Unavailable):
        await commit_after_a_restart()

    await write(database, "taken")
    assert await notes(database) == ["taken"]


async def test_a_connection_that_an_administrator_ends_is_unavailable(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query ~ 'sleep' AND pid <> pg_backend_pid()"
    )

    async def wait_for_long() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_sleep(600)"))

    waiting = asyncio.create_task(wait_for_long())
    while "t" not in await asyncio.to_thread(postgresql.tell, end):
        pass

    with pytest.raises(Unavailable):
        await waiting


async def test_a_server_that_falls_silent_is_unavailable_and_then_works_again(
    postgresql: PostgreSql, name: str
) -> None:
    async with way_to(postgresql.port) as way:
        url = postgresql.url(name).replace(str(postgresql.port), str(way.port))
        database = connect(url, patience=timedelta(seconds=0.3))
        await write(database, "before")

        way.fall_silent()
        with pytest.raises(Unavailable, match="can be reached"):
            await write(database, "unheard")
        with pytest.raises(Unavailable, match="can be reached"):
            await notes(database)

        way.speak_again()
        await write(database, "after")
        assert {"before", "after"} <= set(await notes(database))
        await database.close()


async def test_when_all_connections_are_in_use_one_waits_and_then_is_refused(
    postgresql: PostgreSql, name: str
) -> None:
    database = connect(postgresql.url(name), patience=timedelta(seconds=0.1))

    async with AsyncExitStack() as held:

        async def take_all() -> None:
            while True:
                await held.enter_async_context(database.reading())

        with pytest.raises(Unavailable, match="in use; try again"):
            await take_all()

    assert await notes(database) == []
    await database.close()


async def test_tables_that_are_changed_under_a_statement_are_unavailable_once(
    database: PostgresqlDatabase, postgresql: PostgreSql, name: str
) -> None:
    await notes(database)
    postgresql.tell("ALTER TABLE notes ALTER note TYPE varchar(9)", name)

    with pytest.raises(Unavailable, match="changed this moment; try again"):
        await notes(database)

    assert await notes(database) == []


async def test_a_migration_is_refused_soon_while_a_table_is_locked(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    async def alter() -> None:
        async with other.migrating() as connection:
            await connection.execute(text("ALTER TABLE notes ADD at int"))

    await write(database, "kept")
    async with database.reading() as connection:
        await connection.execute(text("SELECT * FROM notes"))
        with pytest.raises(Locked):
            await alter()

    await alter()


async def test_a_listener_is_woken_by_a_signal_that_was_committed(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    heard = asyncio.Event()

    async def signal_and_fail() -> None:
        async with other.writing() as connection:
            await other.signal_change(connection)
            raise LookupError

    async with database.listening(heard) as lost:
        with pytest.raises(LookupError):
            await signal_and_fail()
        assert not heard.is_set()
        async with other.writing() as connection:
            await other.signal_change(connection)
        await heard.wait()
        assert not lost.is_set()


@pytest.mark.parametrize(
    "said",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.InterfaceError("connection is closed"),
    ],
    ids=["by the server", "by the driver"],
)
async def test_what_is_said_past_sqlalchemy_is_unavailable_too(
    database: PostgresqlDatabase, said: Exception
) -> None:
    with pytest.raises(Unavailable, match="can be reached"):
        async with database.listening(asyncio.Event()):
            raise said


async def test_a_listener_learns_that_the_server_is_gone(
    database: PostgresqlDatabase, postgresql: PostgreSql
) -> None:
    async with database.listening(asyncio.Event()) as lost:
        await asyncio.to_thread(postgresql.restart)
        await lost.wait()

    assert await notes(database) == []
