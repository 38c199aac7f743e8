"""Copying: whole or not at all, and on from where it was cut short."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from shutil import copytree

import pytest
from sqlalchemy import Table, insert, select

from keyrelay.databases.database import Database
from keyrelay.databases.opening import open_database
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.claims.heartbeat import announced, is_any_known
from keyrelay.stores.copying import Copying, NotCopied
from keyrelay.stores.installation import read_installation
from keyrelay.stores.integrity import check_definitions
from keyrelay.stores.schema.tables import (
    audit_records,
    dead_letters,
    metadata,
    policies,
    workers,
)
from tests.contract.stores.claims import LEASE, Wire
from tests.contract.stores.ground import Ground, in_a_file, on_a_server, on_sqlite
from tests.contract.stores.house import ADA, House, allow, mail_action, open_house
from tests.contract.stores.records import attempt
from tests.contract.stores.test_dead_letters import bury, letter
from tests.fakes import Clock
from tests.samples import NOON, PROFILE


@pytest.fixture
def elsewhere(
    ground: Ground, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Ground]:
    """Ground of the other kind, with tables and nothing in them."""
    folder = tmp_path / "elsewhere"
    if ground.url.startswith("postgresql"):
        yield in_a_file(copytree(request.getfixturevalue("migrated"), folder))
        return
    server = request.getfixturevalue("postgresql")
    with on_a_server(server, request.getfixturevalue("template"), folder) as other:
        yield other


@pytest.fixture
async def target(elsewhere: Ground) -> AsyncIterator[Database]:
    async with open_database(elsewhere.url) as database:
        yield database


@pytest.fixture
async def copying(house: House, target: Database) -> Copying:
    await furnish(house)
    return a_copying(house, target)


def a_copying(house: House, target: Database) -> Copying:
    return Copying(source=house.database, target=target, world=house.audit_log.world)


async def furnish(house: House) -> None:
    secret = await house.new_secret()
    await house.new_secret("another")
    await house.actions.create(PROFILE, mail_action(secret), ADA)
    await house.policies.create(PROFILE, allow(), ADA)
    await house.tokens.create(PROFILE, {"name": "ci"}, ADA)
    await house.audit_log.keep_records([attempt(f"t{n}") for n in range(1500)])
    await bury(house, letter(), letter("t2"))


async def everything(database: Database) -> dict[str, list[object]]:
    tables = [table for table in metadata.sorted_tables if table is not workers]
    async with database.reading() as connection:
        return {
            table.name: [
                tuple(row)
                for row in await connection.execute(
                    select(table).order_by(*table.primary_key.columns)
                )
            ]
            for table in tables
        }


async def is_copied(source: Database, target: Database) -> bool:
    there, here = await everything(source), await everything(target)
    # What was accepted under the one's definitions does not wait for the other's.
    is_another = there.pop("installation") != here.pop("installation")
    return is_another and there == here


async def finished(copying: Copying) -> None:
    await copying.check()
    await copying.finish(await copying.copy())


async def test_all_is_copied_as_it_is_and_can_be_worked_on(
    house: House, copying: Copying
) -> None:
    await finished(copying)

    target, vault = copying.target, house.audit_log.vault
    assert await is_copied(house.database, target)
    guard = replace(house.catalog.guard, vault=vault)
    flaws = [each.flaw async for each in check_definitions(target, guard)]
    assert set(flaws) == {None}
    checkpoint = house.audit_log.checkpoint
    trail = AuditTrail(database=target, vault=vault, checkpoint=checkpoint)
    assert (await trail.verify()).breach is None


async def test_until_it_is_finished_nothing_can_work_on_it(copying: Copying) -> None:
    await copying.copy()

    assert await read_installation(copying.target) is None


class Cut(Exception):
    """As if the process had ended here."""


class Fuse(Counter[str]):
    """Counts, and cuts it short once a row of this table has come over."""

    table = ""

    def __setitem__(self, table: str, rows: int) -> None:
        if table == self.table and rows:
            raise Cut
        super().__setitem__(table, rows)


@pytest.mark.parametrize("table", ["profiles", "tags", "audit_records", "audit_chains"])
async def test_what_was_cut_short_goes_on_when_it_is_begun_again(
    house: House, copying: Copying, table: str
) -> None:
    fuse = Fuse()
    fuse.table = table
    with pytest.raises(Cut):
        await replace(copying, done=fuse).copy()
    await house.policies.create(PROFILE, allow("made since"), ADA)

    await finished(copying)

    assert await is_copied(house.database, copying.target)


async def test_a_source_that_is_worked_on_meanwhile_is_not_left_behind(
    house: House, copying: Copying
) -> None:
    found = await copying.copy()
    await house.policies.create(PROFILE, allow("made since"), ADA)

    with pytest.raises(NotCopied, match="worked on the source meanwhile"):
        await copying.finish(found)

    assert await read_installation(copying.target) is None
    await finished(copying)
    assert await is_copied(house.database, copying.target)


async def test_a_target_of_another_installation_is_left_alone(
    house: House, copying: Copying, ground: Ground, tmp_path: Path
) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    async with open_house(in_a_file(folder)) as stranger:
        before = await everything(stranger.database)

        with pytest.raises(NotCopied, match="holds another installation"):
            await a_copying(house, stranger.database).check()

        assert await everything(stranger.database) == before


@pytest.mark.parametrize("side", ["source", "target"])
async def test_while_workers_are_at_work_nothing_is_copied(
    house: House, copying: Copying, side: str
) -> None:
    database = house.database if side == "source" else copying.target
    alive = {"id": "w" * 24, "host": "here", "alive_until": NOON.replace(hour=13)}
    async with database.writing() as connection:
        await connection.execute(workers.insert().values(alive))

    with pytest.raises(NotCopied, match="workers are at work: stop them all"):
        await copying.check()


async def test_a_worker_that_was_started_meanwhile_prevents_the_end(
    house: House, copying: Copying
) -> None:
    state = await copying.copy()
    alive = {"id": "w" * 24, "host": "here", "alive_until": NOON.replace(hour=13)}
    async with house.database.writing() as connection:
        await connection.execute(workers.insert().values(alive))

    with pytest.raises(NotCopied, match="workers are at work"):
        await copying.finish(state)


async def test_a_worker_without_claims_is_seen_for_as_long_as_it_works(
    migrated: Path, tmp_path: Path
) -> None:
    ground, clock = in_a_file(copytree(migrated, tmp_path / "house")), Clock(time=NOON)
    async with open_database(ground.url) as database:
        asleep = clock.next_sleep()
        async with announced(database, clock.world(), LEASE):
            await asleep.wait()
            for _ in range(9):
                await clock.pass_time(LEASE / 3)
            assert await alive_until(database) == clock.time + LEASE
        assert await alive_until(database) is None


async def test_a_worker_without_claims_that_could_not_be_seen_is_soon_seen_again(
    migrated: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ground, clock = in_a_file(copytree(migrated, tmp_path / "house")), Clock(time=NOON)
    async with open_database(ground.url) as database:
        asleep, wire = clock.next_sleep(), Wire(database=database)
        async with announced(wire, clock.world(), LEASE):
            await asleep.wait()
            wire.cut.add("there")
            await clock.pass_time(LEASE / 3)
            wire.cut.clear()
            await clock.pass_time(LEASE / 30)

            assert await alive_until(database) == clock.time + LEASE
    said = [each.message for each in caplog.records]
    assert said == ["worker not announced", "worker is announced again"]


async def alive_until(database: Database) -> datetime | None:
    async with database.reading() as connection:
        return await connection.scalar(select(workers.c.alive_until))


async def test_what_is_in_the_target_and_not_in_the_source_is_found(
    house: House, copying: Copying
) -> None:
    await copying.copy()
    await house.break_in("DELETE FROM audit_records WHERE seq > 9")

    with pytest.raises(NotCopied, match="audit_records has 9 rows in the source"):
        await copying.copy()


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        (dead_letters, "buried_at = 'words'"),
        (dead_letters, "reason = CAST(x'ff' AS TEXT)"),
        (audit_records, "document = CAST(x'ff' AS TEXT)"),
        (policies, "updated_at = 7"),
    ],
)
@on_sqlite
async def test_a_row_that_cannot_be_read_is_named(
    house: House, copying: Copying, table: Table, damage: str
) -> None:
    await house.break_in(f"UPDATE {table.name} SET {damage}")  # noqa: S608

    with pytest.raises(NotCopied, match=f"of {table.name} in the source cannot be"):
        await copying.copy()


@on_sqlite
async def test_a_heartbeat_that_cannot_be_read_prevents_no_copy_and_is_forgotten(
    house: House, copying: Copying
) -> None:
    async with house.database.writing() as connection:
        until = {"id": "w" * 24, "host": "here", "alive_until": NOON}
        await connection.execute(insert(workers).values(until))
    await house.break_in("UPDATE workers SET alive_until = 'words'")

    assert await copying.check()
    async with announced(house.database, house.audit_log.world, LEASE):
        pass
    assert not await is_any_known(house.database)
