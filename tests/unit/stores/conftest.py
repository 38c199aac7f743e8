"""Fixtures: one house, and the same one as a second process has it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.stores.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
async def neighbour(house: House, tmp_path: Path) -> AsyncIterator[House]:
    """Another process on the same files; both have the time from the same clock."""
    async with open_house(tmp_path, house.clock) as neighbour:
        yield neighbour
