"""Last times: they only go on, and are written together, beside the definitions."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.model.audit import Report
from keyrelay.model.ids import new_id
from keyrelay.model.outcome import Fault, ReasonClass, Rejected
from keyrelay.model.token import Token
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.last_times import (
    USES_NOTED_EACH,
    WRITTEN_EACH,
    LastTimes,
    NotedTimes,
    NotingAuditLog,
    TokenUses,
    open_noted_times,
)
from tests.contract.stores.house import ADA, House
from tests.contract.stores.records import attempt
from tests.samples import MAIL_ACTION, NOON, OTHER_PROFILE, PROFILE

LATER = NOON + timedelta(seconds=1)


@pytest.fixture
def times(house: House) -> LastTimes:
    return LastTimes(database=house.database)


@pytest.fixture
async def noted(house: House) -> AsyncIterator[NotedTimes]:
    async with open_noted_times(house.database, house.audit_log.world) as noted:
        yield noted


async def last(times: LastTimes, profile: str = PROFILE) -> object:
    found = await times.read(profile, Noun.ACTION, [MAIL_ACTION, "e" * 24])
    return found.get(MAIL_ACTION)


async def test_what_was_never_noted_has_no_time(times: LastTimes) -> None:
    assert await times.read(PROFILE, Noun.ACTION, [MAIL_ACTION]) == {}
    assert await times.read(PROFILE, Noun.ACTION, []) == {}


async def test_a_time_goes_on_and_never_back(
    times: LastTimes, noted: NotedTimes
) -> None:
    noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, LATER)
    noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, NOON)
    await noted.write()
    assert await last(times) == LATER

    await times.keep({(PROFILE, Noun.ACTION, MAIL_ACTION): NOON})
    assert await last(times) == LATER

    await times.keep({(PROFILE, Noun.ACTION, MAIL_ACTION): LATER + WRITTEN_EACH})
    assert await last(times) == LATER + WRITTEN_EACH


async def test_a_time_is_that_of_its_profile_and_noun_alone(times: LastTimes) -> None:
    await times.keep({(PROFILE, Noun.ACTION, MAIL_ACTION): NOON})

    assert await last(times, OTHER_PROFILE) is None
    assert await times.read(PROFILE, Noun.POLICY, [MAIL_ACTION]) == {}


async def test_many_are_written_together(times: LastTimes) -> None:
    many = {(PROFILE, Noun.ACTION, f"{n:024x}"): NOON for n in range(1001)}

    await times.keep(many)

    ids = [id_ for _, _, id_ in many]
    assert len(await times.read(PROFILE, Noun.ACTION, ids)) == 1001


async def test_what_is_noted_is_written_at_the_end(
    house: House, times: LastTimes
) -> None:
    async with open_noted_times(house.database, house.audit_log.world) as noted:
        noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, NOON)
        assert await last(times) is None

    assert await last(times) == NOON


async def test_what_could_not_be_written_stays_noted_and_ends_no_work(
    house: House, times: LastTimes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "keyrelay")
    async with open_noted_times(house.wire, house.audit_log.world) as noted:
        noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, NOON)
        house.wire.cut.add("there")
        with pytest.raises(Unavailable):
            await noted.write()
        house.wire.cut.clear()
        await noted.write()
        assert await last(times) == NOON
        noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, LATER)
        house.wire.cut.add("there")

    assert await last(times) == NOON
    assert [line.getMessage() for line in caplog.records] == ["last times not written"]


async def test_what_is_noted_is_written_every_few_seconds_without_a_revision(
    house: House, times: LastTimes
) -> None:
    slept, due = list[timedelta](), asyncio.Event()

    async def sleep(wait: timedelta) -> None:
        slept.append(wait)
        if len(slept) == 2:
            due.set()
            await asyncio.Event().wait()

    world = World(now=house.clock.now, chance=lambda: 0.5, new_id=new_id, sleep=sleep)
    before = await house.look("SELECT revision FROM installation")
    async with open_noted_times(house.database, world) as noted:
        noted.note(Noun.ACTION, PROFILE, MAIL_ACTION, NOON)
        await due.wait()
        assert await last(times) == NOON

    assert slept == [WRITTEN_EACH] * 2
    assert await house.look("SELECT revision FROM installation") == before


async def test_an_attempt_notes_when_its_action_was_last_triggered(
    house: House, times: LastTimes, noted: NotedTimes
) -> None:
    log = NotingAuditLog(behind=group_commits(house.audit_log), times=noted)

    await log.append(replace(attempt("t1"), at=LATER))
    await noted.write()

    assert await last(times) == LATER
    found = await log.attempts(PROFILE, "t1", NOON)
    assert [each.ended_at for each in found] == [LATER]


async def test_an_action_that_is_not_there_is_not_noted(
    house: House, times: LastTimes, noted: NotedTimes
) -> None:
    log = NotingAuditLog(behind=group_commits(house.audit_log), times=noted)
    absent = Rejected("none", Fault.DEFINITION, why=ReasonClass.NO_DEFINITION)

    await log.append(replace(attempt("t1"), report=Report(outcome=absent)))
    await house.new_secret()
    await noted.write()

    assert await last(times) is None
    assert await house.look("SELECT count(*) FROM last_times") == [(0,)]


async def last_use(times: LastTimes, token: Token) -> object:
    return (await times.read(PROFILE, Noun.TOKEN, [token.id])).get(token.id)


async def test_a_token_s_last_use_is_noted_once_a_minute_and_moves(
    house: House, times: LastTimes, noted: NotedTimes
) -> None:
    uses = TokenUses(times=noted)
    token = (await house.tokens.create(PROFILE, {"name": "ci"}, ADA)).stored.token
    before = await house.look("SELECT revision FROM installation")

    for at in (NOON, LATER, NOON + USES_NOTED_EACH - WRITTEN_EACH):
        uses.note(token, at)
        await noted.write()
        assert await last_use(times, token) == NOON
    uses.note(token, NOON + USES_NOTED_EACH)
    await noted.write()

    assert await last_use(times, token) == NOON + USES_NOTED_EACH
    assert await house.look("SELECT revision FROM installation") == before


async def test_however_many_tokens_are_used_little_is_remembered(
    house: House, times: LastTimes, noted: NotedTimes
) -> None:
    uses = TokenUses(times=noted)
    token = (await house.tokens.create(PROFILE, {"name": "ci"}, ADA)).stored.token

    for number in range(10_001):
        uses.note(replace(token, id=f"{number:024x}"), NOON)

    assert len(uses._noted) == 1
