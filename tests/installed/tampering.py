"""Tampering: an installation's database in the hands of someone who may write to it."""

import asyncio
import re
import sqlite3
from contextlib import closing

import asyncpg

from tests.installed.home import Home

_BYTES = re.compile(r"\bx'(?=[0-9a-f]*')")


def tamper(home: Home, *statements: str) -> None:
    """Do what only a person with access to the database can, all or nothing.

    Statements have bytes as SQLite writes them.
    """
    url = home.settings.get("KEYRELAY_DATABASE")
    if url is None:
        with closing(sqlite3.connect(home.path / "keyrelay.db")) as database, database:
            for statement in statements:
                database.execute(statement)
    else:
        asyncio.run(_tamper(url, [_BYTES.sub(r"'\\x", each) for each in statements]))


async def _tamper(url: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()
