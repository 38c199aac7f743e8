"""Run hosts: a process that hosts scripts is known to all, for as long as it lives."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from keyrelay.model.uploaded_script import Runtime
from keyrelay.services.run_requests import RunRequests
from keyrelay.stores.runs.hosts import RunHosts
from keyrelay.stores.runs.records import RunRecords
from keyrelay.stores.schema.run_tables import run_hosts
from tests.contract.stores.house import House
from tests.samples import NOON, PROFILE
from tests.unit.services.test_run_requests import asked, new_analysis

LENGTH = timedelta(seconds=30)
PYTHON = (Runtime.PYTHON_LEGACY, Runtime.PYTHON)


def hosts_of(house: House) -> RunHosts:
    return RunHosts(database=house.database, world=house.audit_log.world)


def requests_of(house: House) -> RunRequests:
    records = RunRecords(database=house.database, world=house.audit_log.world)
    return RunRequests(analyses=house.analyses, runs=records, hosts=hosts_of(house))


async def said(house: House) -> None:
    """Return once a host has said that it is alive."""
    await house.clock.until_asleep(LENGTH / 3)


async def languages(house: House) -> Sequence[Sequence[str]]:
    return [each.languages for each in await hosts_of(house).alive()]


async def test_a_host_is_known_to_other_processes_while_it_runs(
    house: House, neighbour: House
) -> None:
    async with hosts_of(house).announced(PYTHON, LENGTH):
        await said(house)
        (alive,) = await hosts_of(neighbour).alive()
    after = await hosts_of(neighbour).alive()

    assert (alive.since, alive.languages) == (NOON, sorted(PYTHON))
    assert after == []


async def test_a_host_that_is_silent_for_long_is_dead(
    house: House, neighbour: House
) -> None:
    async with hosts_of(house).announced(PYTHON, LENGTH):
        await said(house)
        await house.break_in("UPDATE run_hosts SET alive_until = '2001-01-01 00:00:00'")
        while_silent = await languages(neighbour)
        house.clock.advance(LENGTH / 3)
        await said(house)
        again = await languages(neighbour)

    assert (while_silent, again) == ([], [sorted(PYTHON)])


async def test_a_host_that_was_killed_is_forgotten_by_the_next(
    house: House, neighbour: House
) -> None:
    await house.break_in(
        "INSERT INTO run_hosts VALUES ('111111111111111111111111', 'killed',"
        " 'python-rt2025', '2001-01-01 00:00:00')"
    )

    async with hosts_of(neighbour).announced([Runtime.NODE], LENGTH):
        await said(neighbour)
        async with house.database.reading() as connection:
            hosts = (await connection.execute(select(run_hosts.c.host))).scalars().all()

    assert len(hosts) == 1
    assert hosts != ["killed"]


@pytest.mark.parametrize(
    ("hosted", "is_said"),
    [([], True), ([Runtime.NODE], True), (PYTHON, False)],
    ids=["none", "one for another language", "one"],
)
async def test_of_a_run_that_no_process_hosts_it_is_said(
    house: House, hosted: Sequence[Runtime], *, is_said: bool
) -> None:
    requests = requests_of(house)
    order = await asked(requests, await new_analysis(house))

    async with hosts_of(house).announced(hosted, LENGTH):
        await said(house)
        remark = await requests.remark(order)

    assert (remark is not None) == is_said
    if remark is not None:
        assert "`keyrelay up`" in remark
        assert "KEYRELAY_ANALYSES=hosted" in remark
        assert "bubblewrap" in remark


async def test_of_a_run_of_a_script_that_listens_nothing_is_said(house: House) -> None:
    requests = requests_of(house)
    id_ = await new_analysis(house, script=False, run_on="external")
    order = await asked(requests, id_)

    assert await requests.remark(order) is None


async def test_of_a_run_whose_analysis_is_deleted_nothing_is_said(house: House) -> None:
    requests = requests_of(house)
    order = await asked(requests, id_ := await new_analysis(house))
    await house.analyses.documents.delete(PROFILE, id_, "ada")

    assert await requests.remark(order) is None
