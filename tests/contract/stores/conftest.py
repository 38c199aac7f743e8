"""Fixtures: a house, the same one in a second process, and the claims of a worker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from keyrelay.databases.opening import open_database
from keyrelay.stores.claims.claims import ClaimStore
from keyrelay.stores.claims.interventions import ClaimInterventions
from keyrelay.stores.schema.migrations import migrate
from tests.contract.stores.claims import DatabaseOffice
from tests.contract.stores.ground import Ground, in_a_file, on_a_server
from tests.contract.stores.house import House, open_house
from tests.services.postgresql import PostgreSql


def migrate_at(url: str) -> None:
    async def make() -> None:
        async with open_database(url) as database:
            await migrate(database)

    asyncio.run(make())


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that was migrated once for all tests, which is slow."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate_at(in_a_file(folder).url)
    return folder


@pytest.fixture(scope="session")
def template(postgresql: PostgreSql) -> str:
    """A database of the server's that was migrated once for all tests."""
    name = postgresql.create()
    migrate_at(postgresql.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "sqlite":
        migrated = request.getfixturevalue("migrated")
        yield in_a_file(copytree(migrated, tmp_path / "house"))
        return
    server = request.getfixturevalue("postgresql")
    template = request.getfixturevalue("template")
    with on_a_server(server, template, tmp_path) as ground:
        yield ground


@pytest.fixture
async def house(ground: Ground) -> AsyncIterator[House]:
    async with open_house(ground) as house:
        yield house


@pytest.fixture
async def neighbour(house: House, ground: Ground) -> AsyncIterator[House]:
    """Another process on the same ground; both have the time from the same clock."""
    async with open_house(ground, house.clock) as neighbour:
        yield neighbour


@pytest.fixture
def office(ground: Ground) -> DatabaseOffice:
    return DatabaseOffice(ground=ground)


@pytest.fixture
async def claims(office: DatabaseOffice) -> AsyncIterator[ClaimStore]:
    async with office.open() as claims:
        yield claims


@pytest.fixture
def people(house: House, office: DatabaseOffice) -> ClaimInterventions:
    return ClaimInterventions(database=house.database, world=office.world)
