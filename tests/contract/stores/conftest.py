"""Fixtures: one house, and the same one as a second process has it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree

import pytest

from keyrelay.stores.database import open_database
from keyrelay.stores.migrations import migrate
from tests.contract.stores.house import House, open_house


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that was migrated once for all tests, which is slow."""
    folder = tmp_path_factory.mktemp("migrated")

    async def make() -> None:
        async with open_database(f"sqlite:///{folder / 'keyrelay.db'}") as database:
            await migrate(database)

    asyncio.run(make())
    return folder


@pytest.fixture
def folder(migrated: Path, tmp_path: Path) -> Path:
    return copytree(migrated, tmp_path / "house")


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[House]:
    async with open_house(folder) as house:
        yield house


@pytest.fixture
async def neighbour(house: House, folder: Path) -> AsyncIterator[House]:
    """Another process on the same files; both have the time from the same clock."""
    async with open_house(folder, house.clock) as neighbour:
        yield neighbour
