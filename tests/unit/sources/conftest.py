"""Fixtures: an embedded queue, its clock, and a second connection to its file."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.queues import a_world
from tests.fakes import Clock
from tests.samples import NOON

IMPATIENT = SqliteOptions(patience=timedelta())


@pytest.fixture
def clock() -> Clock:
    return Clock(time=NOON)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
async def queue(path: Path, clock: Clock) -> AsyncIterator[SqliteQueue]:
    upkeep = clock.next_sleep()
    async with open_queue(path, a_world(clock), IMPATIENT) as queue:
        await upkeep.wait()
        yield queue


@pytest.fixture
def beside(queue: SqliteQueue, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()
