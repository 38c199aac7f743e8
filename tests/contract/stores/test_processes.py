"""Processes: several at work on one database, and one that is cut off from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.databases.opening import open_database
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.log import group_commits
from tests.contract.silence import Way, way_to
from tests.contract.stores.ground import Ground, on_postgresql
from tests.contract.stores.house import ADA, House, allow, open_house
from tests.contract.stores.records import attempt, record, triggers_of
from tests.samples import PROFILE
from tests.services.postgresql import PostgreSql


async def test_two_that_record_and_change_at_once_lose_nothing(
    house: House, neighbour: House
) -> None:
    logs = [group_commits(each.audit_log) for each in (house, neighbour)]

    await asyncio.gather(
        *[log.append(attempt(f"t{n}")) for log in logs for n in range(40)],
        *[
            each.policies.create(PROFILE, allow(f"p{n}"), ADA)
            for each in (house, neighbour)
            for n in range(5)
        ],
    )

    assert len(await triggers_of(house)) == 80
    revisions = await house.look("SELECT revision FROM changes ORDER BY revision")
    assert revisions == [(number,) for number in range(1, 11)]
    assert (await house.trail.verify()).breach is None


async def test_chains_that_are_opened_at_once_have_numbers_of_their_own(
    house: House, ground: Ground
) -> None:
    async with AsyncExitStack() as opened:
        others = [
            await opened.enter_async_context(open_house(ground, house.clock))
            for _ in range(4)
        ]

        await asyncio.gather(*[record(each, f"t{n}") for n, each in enumerate(others)])

        numbers = await house.look("SELECT number FROM audit_chains ORDER BY number")
        assert [number for (number,) in numbers] == [1, 2, 3, 4, 5]
        assert (await house.trail.verify()).breach is None


@on_postgresql
async def test_a_change_of_definitions_delays_no_audit_record(
    house: House, neighbour: House
) -> None:
    await record(neighbour, "opens its chain")

    async with house.journal.writing(PROFILE, ADA):
        await record(neighbour, "t1")
        assert "t1" in await triggers_of(neighbour)


@on_postgresql
async def test_after_a_restart_of_the_server_all_goes_on(
    house: House, postgresql: PostgreSql
) -> None:
    await record(house, "before")
    await asyncio.to_thread(postgresql.stop)
    with pytest.raises(Unavailable):
        await record(house, "refused")
    with pytest.raises(Unavailable):
        await house.new_secret()
    await asyncio.to_thread(postgresql.start)

    await record(house, "after")
    await house.new_secret()

    assert await triggers_of(house) == ["before", "after"]
    assert (await house.trail.verify()).breach is None


@asynccontextmanager
async def on_a_way(
    house: House, ground: Ground, postgresql: PostgreSql
) -> AsyncIterator[tuple[House, Way]]:
    """Give the house as it is for a process that may be cut off from its database."""
    async with way_to(postgresql.port) as way:
        url = ground.url.replace(f":{postgresql.port}/", f":{way.port}/")
        async with open_database(url, timedelta(seconds=0.5)) as database:
            cut_off = replace(house.audit_log, database=database)
            yield replace(house, audit_log=cut_off), way


@on_postgresql
async def test_a_record_whose_commit_had_no_answer_is_kept_once(
    house: House, ground: Ground, postgresql: PostgreSql
) -> None:
    unheard = attempt("t1")
    async with on_a_way(house, ground, postgresql) as (cut_off, way):
        await cut_off.audit_log.keep_records([attempt("opens the chain")])
        way.unanswered = b"COMMIT"
        with pytest.raises(Unavailable):
            await cut_off.audit_log.keep_records([unheard])
        way.speak_again()

        await cut_off.audit_log.keep_records([unheard])
        await cut_off.audit_log.keep_records([attempt("t2")])

    assert sorted(await triggers_of(house)) == ["opens the chain", "t1", "t2"]
    assert (await house.trail.verify()).breach is None
