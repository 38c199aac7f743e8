"""Fixtures: a whole store in a file, and a queue in memory beside it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree

import pytest

from tests.contract.stores.ground import in_a_file
from tests.contract.stores.house import House, open_house
from tests.fakes import Clock
from tests.memory_queue import MemoryQueue, Storage
from tests.samples import NOON


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store that is made once for all tests, which is slow."""
    folder = tmp_path_factory.mktemp("founded")

    async def found() -> None:
        async with open_house(in_a_file(folder)):
            pass

    asyncio.run(found())
    return folder


@pytest.fixture
async def house(founded: Path, tmp_path: Path) -> AsyncIterator[House]:
    folder = copytree(founded, tmp_path / "house")
    async with open_house(in_a_file(folder)) as house:
        yield house


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(world=Clock(time=NOON).world(), storage=Storage())
