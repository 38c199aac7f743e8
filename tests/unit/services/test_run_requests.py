"""Run requests: what can be run is kept with its record, and all else is refused."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from keyrelay.model.analysis import RunOn
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.run import RunOrder, RunOrigin, RunState
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.services.run_requests import WAITS, RunRequests
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.hosts import RunHosts
from keyrelay.stores.runs.records import RunPage, RunRecords
from tests.contract.stores.house import ADA, House
from tests.samples import NOON, OTHER_PROFILE, PROFILE

SCRIPT = ScriptDraft(file_name="main.py", language=Runtime.PYTHON, content=b"print(1)")
SCOPE = '[{"variable":"temperature"}]'


@pytest.fixture
def requests(house: House) -> RunRequests:
    records = RunRecords(database=house.database, world=house.audit_log.world)
    hosts = RunHosts(database=house.database, world=house.audit_log.world)
    return RunRequests(analyses=house.analyses, runs=records, hosts=hosts)


async def new_analysis(house: House, *, script: bool = True, **fields: object) -> str:
    made = await house.analyses.documents.create(
        PROFILE, {"name": "cold rooms", **fields}, ADA
    )
    if script:
        await house.analyses.upload(PROFILE, id_of(made), SCRIPT, ADA)
    return id_of(made)


async def asked(requests: RunRequests, analysis: str) -> RunOrder:
    return await requests.ask(PROFILE, analysis, SCOPE, ADA)


async def test_a_run_waits_for_an_hour_from_the_moment_that_it_was_asked_for(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house)

    order = await asked(requests, id_)

    kept = await requests.get(PROFILE, id_, order.id)
    assert kept.order == order
    assert (kept.state, kept.attempts, kept.result) == (RunState.WAITING, 0, None)
    assert (order.profile, order.analysis) == (PROFILE, id_)
    assert (order.run_on, order.scope) == (RunOn.HOSTED, SCOPE)
    assert order.cause.origin is RunOrigin.REQUEST
    assert (order.cause.asked_at, order.cause.deadline) == (NOON, NOON + WAITS)


async def test_who_asked_is_on_record_with_the_run(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house)

    order = await asked(requests, id_)

    records = await house.look("SELECT document FROM audit_records ORDER BY seq DESC")
    (text,) = records[0]
    assert order.id in str(text)
    assert "cold rooms" in str(text)
    assert ADA in str(text)


async def test_without_a_record_there_is_no_run(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house)
    await house.refuse_records()

    with pytest.raises(IntegrityError):
        await asked(requests, id_)

    assert await house.look("SELECT id FROM runs") == []


async def test_an_analysis_without_a_script_is_not_run_here(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house, script=False)

    with pytest.raises(InvalidDefinition, match="has no script: upload one before"):
        await asked(requests, id_)


async def test_elsewhere_it_needs_none(house: House, requests: RunRequests) -> None:
    id_ = await new_analysis(house, script=False, run_on="external")

    assert (await asked(requests, id_)).run_on is RunOn.EXTERNAL


async def test_an_inactive_analysis_is_not_run(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house, active=False)

    with pytest.raises(InvalidDefinition, match="'cold rooms' is inactive"):
        await asked(requests, id_)
    assert await house.look("SELECT id FROM runs") == []


async def test_an_analysis_of_another_profile_is_not_found(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house)

    with pytest.raises(NotFound):
        await requests.ask(OTHER_PROFILE, id_, SCOPE, ADA)
    with pytest.raises(NotFound):
        await requests.list(OTHER_PROFILE, id_, RunPage())


async def test_a_run_is_found_by_its_own_analysis_and_profile_alone(
    house: House, requests: RunRequests
) -> None:
    one, other = await new_analysis(house), await new_analysis(house, name="others")
    order = await asked(requests, one)

    for profile, analysis in [(PROFILE, other), (OTHER_PROFILE, one)]:
        with pytest.raises(NotFound):
            await requests.get(profile, analysis, order.id)
    assert await requests.list(PROFILE, other, RunPage()) == []


@pytest.mark.parametrize("limit", [None, 0, 1, 100, 101, 205, 500])
async def test_runs_are_read_newest_first_and_no_more_than_were_wanted(
    house: House, requests: RunRequests, limit: int | None
) -> None:
    id_ = await new_analysis(house)
    first = await asked(requests, id_)
    for number in range(204):
        cause = replace(first.cause, asked_at=NOON + timedelta(seconds=number))
        await requests.runs.keep(replace(first, id=f"{number:024x}", cause=cause))
    every = sorted([first.id, *(f"{n:024x}" for n in range(204))], reverse=True)

    found = [each.order.id async for each in requests.read(PROFILE, id_, limit)]

    assert found == (every if limit is None else every[:limit])


async def test_runs_that_are_asked_for_at_once_are_each_another(
    house: House, requests: RunRequests
) -> None:
    id_ = await new_analysis(house)

    orders = await asyncio.gather(*(asked(requests, id_) for _ in range(5)))

    listed = await requests.list(PROFILE, id_, RunPage())
    assert {each.order.id for each in listed} == {each.id for each in orders}
    assert len(listed) == 5
