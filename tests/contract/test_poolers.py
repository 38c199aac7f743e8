"""Poolers: sessions of PostgreSQL behind one are as we need them, or are refused."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from keyrelay.databases.postgresql import PostgresqlDatabase, connect
from keyrelay.ports import Unavailable
from tests.services import daemon, pgbouncer
from tests.services.pgbouncer import Mode, PgBouncer
from tests.services.postgresql import PostgreSql

SETTINGS = (
    "synchronous_commit,plan_cache_mode,lock_timeout,"
    "idle_in_transaction_session_timeout"
)
KEPT = {"synchronous_commit": "on", "lock_timeout": "10s"}
SHARED = "transaction pooling"

Pool = Callable[..., PgBouncer]


@pytest.fixture
def name(postgresql: PostgreSql) -> str:
    """A database whose own defaults lose commits."""
    name = postgresql.create()
    postgresql.tell(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return name


@pytest.fixture
def pool(postgresql: PostgreSql, pgbouncer_path: Path) -> Iterator[Pool]:
    with ExitStack() as stack:

        def start(mode: Mode, ignored: str = "") -> PgBouncer:
            directory = stack.enter_context(daemon.folder())
            return stack.enter_context(
                pgbouncer.running(
                    directory,
                    server=pgbouncer_path,
                    behind=postgresql.port,
                    mode=mode,
                    ignored=ignored,
                )
            )

        yield start


async def shown(database: PostgresqlDatabase, setting: str) -> object:
    async with database.transaction() as connection:
        return await connection.scalar(text(f"SHOW {setting}"))


@pytest.mark.parametrize("ignored", ["", SETTINGS], ids=["refusing", "ignoring"])
async def test_a_session_pooler_that_drops_settings_has_them_set_in_each_session(
    pool: Pool, name: str, ignored: str
) -> None:
    database = connect(pool("session", ignored).url(name))
    try:
        async with database.transaction(), database.transaction() as second:
            for setting, value in (
                ("synchronous_commit", "on"),
                ("lock_timeout", "10s"),
            ):
                assert await shown(database, setting) == value
                assert await second.scalar(text(f"SHOW {setting}")) == value
    finally:
        await database.close()


@pytest.mark.parametrize("ignored", ["", SETTINGS], ids=["refusing", "ignoring"])
async def test_a_transaction_pooler_is_refused_before_anything_is_done(
    pool: Pool, name: str, ignored: str
) -> None:
    database = connect(pool("transaction", ignored).url(name))
    try:
        for _ in range(3):
            with pytest.raises(Unavailable, match=SHARED):
                await shown(database, "synchronous_commit")
    finally:
        await database.close()


async def test_a_transaction_pooler_is_refused_while_others_use_it(
    pool: Pool, name: str
) -> None:
    pooler = pool("transaction", SETTINGS)
    stop = asyncio.Event()

    async def be_busy() -> None:
        connection = await asyncpg.connect(pooler.url(name), statement_cache_size=0)
        while not stop.is_set():
            await connection.execute("SELECT pg_sleep(0.001)")
        await connection.close()

    async with asyncio.TaskGroup() as others:
        for _ in range(3):
            others.create_task(be_busy())
        for _ in range(5):
            database = connect(pooler.url(name))
            with pytest.raises(Unavailable, match=SHARED):
                await shown(database, "synchronous_commit")
            await database.close()
        stop.set()


async def test_a_database_of_another_encoding_is_refused(
    postgresql: PostgreSql,
) -> None:
    name = f"latin{postgresql.port}"
    postgresql.tell(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1'"
        " LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc"
    )
    database = connect(postgresql.url(name))

    with pytest.raises(Unavailable, match="encoding is LATIN1; make one with"):
        await shown(database, "synchronous_commit")

    await database.close()
    postgresql.drop(name)
